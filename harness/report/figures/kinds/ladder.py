"""The ladder out of Python: a bar per mode, stacked by where the time of a layer goes, a panel per cell.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
import pandas as pd
from matplotlib.patches import Patch

from harness.report.figures.drawing.bar_rows import end_of_bar, row_name, word_in_row
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import LETTER, Headline, sheet
from harness.report.figures.drawing.ticks import TIME_UNITS, linear_ticks, spaced, unit_for
from harness.report.figures.kind import STARRED, Context, Kind, corners, measured_on, timed, warned
from harness.report.table.attribution import Attribution, Parts, attributed, is_ladder
from harness.report.table.formats import listed, significant
from harness.report.table.slices import Slice, cell_words, undisturbed

BAR, ROW = 0.15, 0.23  # inches: thickness of a bar, distance of two
LOOKS: dict[str, dict[str, Any]] = {
    "device": {"facecolor": "#4c566a"},
    "framework": {"facecolor": "#7fb8da"},
    "interpreter": {"facecolor": "#d55e00"},
}


def _ladders(rows: pd.DataFrame) -> dict[tuple[int, int], pd.DataFrame]:
    """Cells with a ladder. With more devices or other controllers a step also holds waiting for others, which
    is none of the parts here."""
    rows = undisturbed(rows)
    parts = rows.groupby(["depth", "batch"])
    return {(int(depth), int(batch)): own for (depth, batch), own in parts if is_ladder(own)}


def drawable(rows: pd.DataFrame) -> bool:
    return bool(_ladders(rows))


def _names(attributions: Sequence[Attribution]) -> dict[str, str]:
    """What the parts are called here, of those that occur."""
    split_by, on_device = attributions[0].split_by, any(one.on_device for one in attributions)
    if not split_by:
        host = "host beyond the device" if on_device else "whole step"
    else:
        host = (
            "framework dispatch" if on_device else f"as much as {split_by} needs: dispatch in C++, arithmetic"
        )
    beyond = f"interpreter and module calls (beyond {split_by})"
    return {
        **({"device": "device"} if on_device else {}),
        "framework": host,
        **({"interpreter": beyond} if split_by else {}),
    }


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    ladders = _ladders(part.rows)
    shown = corners(ladders)
    rows = pd.concat([ladders[cell] for cell in shown])
    attributions = [attributed(ladders[cell]) for cell in shown]
    # One legend for all panels: where one cell lacks the mode that splits the others, none is split by it.
    if len({one.split_by for one in attributions}) > 1:
        common = next((one for one in attributions if one.split_by != "native"), attributions[0])
        shown = [
            cell for cell, one in zip(shown, attributions, strict=True) if one.split_by == common.split_by
        ]
        attributions = [one for one in attributions if one.split_by == common.split_by]
    good = timed(rows)
    scale, unit = unit_for((good["step_us"] / good["depth"].clip(lower=1)).tolist(), TIME_UNITS)
    modes = [mode for mode in context.styles if mode in set(rows["mode"])]
    names = _names(attributions)
    left = max(max(len(mode) for mode in modes) * LETTER + 0.3, 0.9)
    size = (4.4 if len(shown) == 1 else 3.3, ROW * len(modes) + 0.12)
    handles = [Patch(label=text, **LOOKS[name]) for name, text in names.items()]
    paper = sheet(
        headline, len(shown), size, columns=2, handles=handles, left=left, below=0.5, gaps=(0.25, 0.56)
    )
    for cell, one, panel in zip(shown, attributions, paper.panels, strict=True):
        panel.lowest = True  # each has a scale of its own
        panel.title(cell_words(*cell))
        own = ladders[cell].drop_duplicates("mode").set_index("mode")
        _bars(panel, own, one, modes, max(cell[0], 1) * scale)
    for panel in paper.panels[-2:] if len(shown) > 1 else paper.panels:
        panel.name_x(f"step time per layer ({unit})" if rows["depth"].any() else f"step time ({unit})")
    return paper.figure, _caption(rows, attributions, len(shown), len(ladders)) + warned(rows, STARRED)


def _bars(
    panel: Panel, own: pd.DataFrame, attributions: Attribution, modes: Sequence[str], size: float
) -> None:
    """size: what a step time in microseconds is divided by."""
    ends = [own.loc[list(attributions.modes), name] / size for name in ("step_us", "step_us_high")]
    top = max(float(end.max()) for end in ends if end.notna().any())
    # Room for the numbers at the ends of the bars.
    panel.x, panel.y = Scale(0.0, top * 1.22), Scale(len(modes) - 0.4, -0.6)
    ticks = linear_ticks(0.0, panel.x.high)
    panel.grid_x(spaced(ticks, panel.across(ticks).tolist()))
    for place, mode in enumerate(modes):
        y = float(panel.up([place])[0])
        if panel.leftmost:
            row_name(panel, y, mode)
        if mode in attributions.modes:
            _bar(panel, y, attributions.modes[mode], own.loc[mode], size)
        elif mode in own.index:
            word_in_row(panel, y, str(own.loc[mode, "status"]))


def _bar(panel: Panel, y: float, parts: Parts, row: Mapping[str, Any], size: float) -> None:
    """y: middle of the bar, in inches."""
    begin = 0.0
    for name, look in LOOKS.items():
        value = getattr(parts, name)
        if math.isnan(value) or value <= 0:
            continue
        left, right = panel.across([begin, begin + value / size]).tolist()
        panel.rectangle(left, y - BAR / 2, right - left, BAR, linewidth=0, zorder=2, **look)
        begin += value / size
    tip, low, high = panel.across(
        [begin, max(row["step_us_low"], 0) / size, row["step_us_high"] / size]
    ).tolist()
    interval = (low, high) if low <= high else None
    text = significant(begin) + (" *" if row["marked"] else "")
    line = {"colors": "#111111", "linewidths": 1.1}
    end_of_bar(panel, y, tip, interval, text, line, gap=0.06, size=8)


def _caption(rows: pd.DataFrame, attributions: Sequence[Attribution], shown: int, of: int) -> str:
    split_by, on_device = attributions[0].split_by, any(one.on_device for one in attributions)
    text = (
        f"Step time divided by the number of layers, {measured_on(rows)}, each panel with a scale of its own; dark "
        "lines are 95 % intervals of the whole. "
    )
    if not split_by:
        why = (
            "neither native nor script nor trace was measured, so that the interpreter's part cannot be told"
        )
        text += f"The host's time is not split: {why}."
    elif on_device:
        text += (
            "Device: the time the device executes. Framework dispatch: what the host adds to that, as far as "
            f"{split_by} adds it too. The rest, beyond {split_by}, is the interpreter and its module calls; in "
            "compile also guards and wrappers."
        )
    else:
        text += (
            "On CPU host and device are the same cores, so that dispatch in C++ and arithmetic are one part: what "
            f"{split_by} needs as well. The rest, beyond {split_by}, is the interpreter and its module calls; in "
            "compile also guards and wrappers."
        )
    if split_by and split_by != "native":
        text += (
            f" native was not measured here; {split_by} stands for it, so that its one call from Python a step is "
            "counted as the framework's."
        )
    borrowed = list(dict.fromkeys(mode for one in attributions for mode in one.borrowed))
    if borrowed:
        text += f" Without a device time of their own, and given that of another mode: {listed(borrowed)}."
    if shown < of:
        text += f" Drawn: {shown} of {of} cells (shallowest and deepest, smallest and largest batch)."
    if not rows["ok"].all():
        text += " Modes without a bar say why."
    return text


KIND = Kind("ladder", "The ladder out of Python", frozenset({"devices", "controller"}), drawable, draw)
