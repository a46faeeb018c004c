"""Utilisation as NVML reports it beside 1 - dispatch share: a line per mode, a panel for each of some cells.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import pandas as pd
from matplotlib.lines import Line2D

from harness.core.warnings import UTILISATION_DIFFERS
from harness.report.figures.drawing.bar_rows import row_name
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import LETTER, Headline, sheet
from harness.report.figures.drawing.style import ALARM, FAINT, INK
from harness.report.figures.kind import Context, Kind, corners, present
from harness.report.table.slices import Slice, cell_words
from harness.report.table.tidy import carrying

# Column, words and look of what is compared, in percent.
_MARKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("busy", "1 - dispatch share", {"marker": "o", "color": INK, "markersize": 6}),
    (
        *("util_mean_pct", "utilisation (NVML)"),
        {"marker": "D", "color": "#2c7fb8", "markersize": 5.5, "markerfacecolor": "white"},
    ),
    ("sm_active_pct", "multiprocessors active (GPM)", {"marker": "x", "color": "#a866c9", "markersize": 5}),
)
TICKS = (0.0, 25.0, 50.0, 75.0, 100.0)


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["ok"] & rows["util_mean_pct"].notna() & rows["dispatch_share"].notna()]


def drawable(rows: pd.DataFrame) -> bool:
    return not _known(rows).empty


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    known = _known(part.rows)
    rows = known.assign(
        busy=100 * (1 - known["dispatch_share"].clip(0, 1)),
        apart=carrying(known, UTILISATION_DIFFERS),
    )
    cells = corners(zip(rows["depth"].astype(int), rows["batch"].astype(int), strict=True))
    shown = rows.set_index(["depth", "batch"]).sort_index().loc[cells].reset_index()
    modes = list(present(context.styles, shown))
    marks = [mark for mark in _MARKS if shown[mark[0]].notna().any()]
    handles = [Line2D([], [], linestyle="none", label=text, **look) for _, text, look in marks]
    handles += [Line2D([], [], color=FAINT, linewidth=1.6, label="within 10 points")]
    if shown["apart"].any():
        handles += [Line2D([], [], color=ALARM, linewidth=1.6, label="further apart")]
    left = min(max(len(mode) for mode in modes) * LETTER + 0.25, 3.0)
    paper = sheet(
        *(headline, len(cells), (2.5 if len(cells) > 1 else 4.4, 0.24 * len(modes) + 0.2)),
        columns=2,
        handles=handles,
        left=left,
        gaps=(0.25, 0.4),
    )
    for (depth, batch), panel in zip(cells, paper.panels, strict=True):
        panel.title(cell_words(depth, batch))
        panel.x, panel.y = Scale(-4, 104), Scale(len(modes) - 0.4, -0.6)
        panel.grid_x(TICKS)
        own = shown[(shown["depth"] == depth) & (shown["batch"] == batch)].drop_duplicates("mode")
        _rows(panel, own.set_index("mode"), modes, marks)
    paper.name_axes("percent of time", "")
    caption = (
        f"Share of time in which the device works, told in {'three' if len(marks) == 3 else 'two'} ways. NVML counts "
        "any time in which any kernel runs, averaged over a tenth of a second or more, so that a device that is kept "
        "waiting between short kernels can look busy; 1 - dispatch share is the device's own time over the time of a "
        "step. They were not taken at the same moment: utilisation comes from a steady window after the timed rounds."
    )
    if len(set(zip(rows["depth"], rows["batch"], strict=True))) > len(cells):
        caption += " Drawn: the shallowest and the deepest model with their smallest and largest batch."
    if rows["apart"].any():
        caption += (
            f" Further apart than 10 points: {int(rows['apart'].sum())} of {len(rows)} points; see Warnings."
        )
    return paper.figure, caption


def _rows(
    panel: Panel,
    own: pd.DataFrame,
    modes: list[str],
    marks: list[tuple[str, str, dict[str, Any]]],
) -> None:
    for place, mode in enumerate(modes):
        if panel.leftmost:
            row_name(panel, float(panel.up([place])[0]), mode)
        if mode not in own.index:
            continue
        row = own.loc[mode]
        ends = [row["busy"], row["util_mean_pct"]]
        panel.line(
            ends,
            [place, place],
            color=ALARM if row["apart"] else FAINT,
            linewidth=1.6,
            linestyle="-",
            zorder=2,
        )
        for name, _, look in marks:
            if row[name] == row[name]:
                panel.line([row[name]], [place], linestyle="none", zorder=3, **look)


KIND = Kind("utilisation", "Utilisation beside 1 - dispatch share", frozenset(), drawable, draw)
