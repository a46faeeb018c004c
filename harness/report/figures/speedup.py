"""Speed-up over eager as a heat map of depth and batch, a panel per mode.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import matplotlib.figure
import pandas as pd
from matplotlib.patches import Patch

from harness.report.figures.heatmap import UNSURE, Cell, colour_bar, numbers, paint
from harness.report.figures.kind import Context, Kind, warned
from harness.report.figures.sheet import Headline, sheet
from harness.report.slices import Slice

EAGER = "eager"
CELL = (0.66, 0.36)  # inches; room for `1.02x ~`
WIDEST = 10.0  # inches of panels side by side
LEFT = 0.72


def _others(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["mode"] != EAGER]


def drawable(rows: pd.DataFrame) -> bool:
    """Two batches or, failing that, two depths, with at least one speed-up among them."""
    others = _others(rows)
    wide = max(others["batch"].nunique(), others["depth"].nunique()) >= 2
    return wide and bool((others["ok"] & (others["speedup_vs_eager"] > 0)).any())


def short_times(value: float) -> str:
    """3.1x; two decimals near 1, where one would hide the difference; none where they would be noise."""
    return f"{value:.2f}x" if value < 1.95 else f"{value:.1f}x" if value < 9.95 else f"{value:.0f}x"


def _cell(row: Mapping[Hashable, Any]) -> Cell:
    value, low, high = row["speedup_vs_eager"], row["speedup_low"], row["speedup_high"]
    if not row["ok"]:
        return Cell(str(row["status"]))
    if not value > 0:
        return Cell("no eager")
    star = "*" if row["marked"] else ""
    # Without an interval nothing is shown, so that the cell must not look as if it were.
    if not (low > 1 or high < 1):
        return Cell(f"{short_times(value)} ~{star}", unsure=True)
    return Cell(short_times(value) + star, math.log2(value))


def _cells(rows: pd.DataFrame, down: str, across: str) -> dict[tuple[int, int], Cell]:
    names = ["ok", "status", "marked", "speedup_vs_eager", "speedup_low", "speedup_high"]
    records = rows[[down, across, *names]].to_dict("records")
    return {(int(record[down]), int(record[across])): _cell(record) for record in records}


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    others = _others(part.rows)
    down, across = ("depth", "batch") if others["batch"].nunique() >= 2 else ("batch", "depth")
    rows = sorted(int(value) for value in others[down].unique())
    columns = sorted(int(value) for value in others[across].unique())
    modes = [mode for mode in context.styles if mode in set(others["mode"])]
    maps = {mode: _cells(others[others["mode"] == mode], down, across) for mode in modes}
    known = [abs(c.value) for cells in maps.values() for c in cells.values() if not math.isnan(c.value)]
    # One scale for all panels, the same to both sides, and never so narrow that 1 % looks like a gulf.
    limit = max([*known, math.log2(1.25)])
    size = (max(len(columns) * CELL[0], 1.4), max(len(rows) * CELL[1], 0.5))
    side_by_side = max(1, min(3, int(WIDEST / (size[0] + 0.2))))
    note = Patch(facecolor=UNSURE, label="1.0x ~  no difference shown: the 95 % interval includes 1")
    paper = sheet(
        *(headline, len(modes), size),
        columns=side_by_side,
        handles=[note],
        left=LEFT,
        below=1.12,
        gaps=(0.2, 0.36),
    )
    for mode, panel in zip(modes, paper.panels, strict=True):
        panel.title(mode)
        paint(
            panel, [[maps[mode].get((row, column), Cell("-")) for column in columns] for row in rows], limit
        )
        numbers(panel, rows, columns)
    batch, depth = context.batch_label, "depth (layers)"
    paper.name_axes(*((batch, "depth") if across == "batch" else (depth, "batch")))
    width = min(side_by_side, len(modes)) * size[0]
    colour_bar(paper.figure, limit, LEFT, 0.68, max(min(width, 4.0), 2.4))
    caption = (
        "How many times as fast as eager each mode runs: blue is faster, red slower, on one logarithmic colour "
        "scale for all panels. Grey italics with ~: the 95 % interval includes 1, so that no difference is shown. "
        "Hatched cells were not measured and say why; - stands for what is not in the sweep."
    )
    return paper.figure, caption + warned(others)


KIND = Kind("speedup", "Speed-up over eager", frozenset(), drawable, draw)
