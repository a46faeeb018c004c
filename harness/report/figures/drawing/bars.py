"""A bar per mode, for what was measured in a single cell.

In: rows of one cell, the column of their length. Out: a panel of bars with numbers. Must not know what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd

from harness.report.figures.drawing.bar_rows import end_of_bar, row_name, word_in_row
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import LETTER, Headline, sheet
from harness.report.figures.drawing.style import ModeStyle
from harness.report.figures.drawing.ticks import linear_ticks, log_ticks, spaced, unit_for
from harness.report.figures.kind import Context, present
from harness.report.table.formats import significant

# Beyond this spread the shortest bar would be too short to read.
LOG_SPREAD = 20.0
HALF_BAR = 0.105  # inches

LOG_NOTE = " The axis is logarithmic, so that lengths of bars do not compare as ratios."


@dataclass(frozen=True)
class Lengths:
    """What bars show: a positive column, its name on the axis, its units, and the column's 95 % interval if any."""

    column: str
    name: str
    units: tuple[tuple[float, str], ...]
    interval: tuple[str, str] | None = None


def draw_bars(
    table: pd.DataFrame, headline: Headline, context: Context, lengths: Lengths
) -> tuple[matplotlib.figure.Figure, str]:
    """The figure, and what its caption must say of the axis."""
    rows = table.drop_duplicates("mode").set_index("mode")
    styles = present(context.styles, table)
    good = table[table["ok"] & (table[lengths.column] > 0)]
    scale, unit = unit_for(good[lengths.column].tolist(), lengths.units)
    values = good[lengths.column] / scale
    spread = bool(values.max() / values.min() > LOG_SPREAD)
    left = min(max(len(mode) for mode in styles) * LETTER + 0.3, 3.0)
    paper = sheet(headline, 1, (4.6, 0.34 * len(styles) + 0.25), left=left, below=0.5)
    panel = paper.panels[0]
    start = float(values.min()) / 2 if spread else 0.0
    highest = (good[lengths.interval[1]] / scale).max() if lengths.interval else np.nan
    top = float(np.nanmax([values.max(), highest]))
    # Room for the numbers at the ends of the bars.
    end = top * (top / start) ** 0.22 if spread else top * 1.25
    panel.x, panel.y = Scale(start, end, logarithmic=spread), Scale(len(styles) - 0.4, -0.6)
    ticks = log_ticks(start, end) if spread else linear_ticks(start, end)
    panel.grid_x(spaced(ticks, panel.across(ticks).tolist()))
    for place, (mode, style) in enumerate(styles.items()):
        _bar(panel, float(panel.up([place])[0]), mode, style, rows.loc[mode], lengths, scale, unit)
    paper.name_axes(f"{lengths.name} ({unit})", "")
    return paper.figure, LOG_NOTE if spread else ""


def _bar(
    panel: Panel,
    y: float,
    mode: str,
    style: ModeStyle,
    row: pd.Series,
    lengths: Lengths,
    scale: float,
    unit: str,
) -> None:
    """y: middle of the bar, in inches. A mode without a value gets its status instead."""
    row_name(panel, y, mode)
    value = row[lengths.column] / scale
    if not (row["ok"] and value > 0):
        status = "not sampled" if row["ok"] else str(row["status"])
        word_in_row(panel, y, status)
        return
    low, high = (row[name] / scale for name in lengths.interval or (lengths.column, lengths.column))
    tip, bottom, top = panel.across([value, max(low, panel.x.low), high]).tolist()
    look: dict[str, Any] = {"facecolor": style.colour, "edgecolor": style.colour, "zorder": 2}
    if row["marked"]:
        look |= {"facecolor": "white", "hatch": "////"}
    panel.rectangle(panel.left, y - HALF_BAR, tip - panel.left, 2 * HALF_BAR, **look)
    interval = (bottom, top) if lengths.interval is not None and bottom <= top else None
    text = f"{significant(value)} {unit}" + (" *" if row["marked"] else "")
    end_of_bar(panel, y, tip, interval, text, {"colors": "#222222", "linewidths": 1.2})
