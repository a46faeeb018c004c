"""An amount of each mode: bars where one cell was measured, else a curve per mode against batch, a panel per depth.

In: a slice, a column without an interval. Out: figure, rows drawn, and what the caption must say of the axes. Must not
know what is shown.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.bars import Lengths, draw_bars
from harness.report.figures.drawing.curves import draw_curves
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.ticks import unit_for
from harness.report.figures.kind import Context
from harness.report.table.slices import Slice

AXES = " Both axes are logarithmic and panels share them."


def known_amounts(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return rows[rows["ok"] & (rows[column] > 0) & (rows["batch"] > 0)]


def comparable(rows: pd.DataFrame, column: str) -> bool:
    """Whether there are two batches or, in the only cell, two modes."""
    good = known_amounts(rows, column)
    return bool(good["batch"].nunique() >= 2 or (_one_cell(rows) and good["mode"].nunique() >= 2))


def draw_amounts(
    part: Slice, headline: Headline, context: Context, lengths: Lengths
) -> tuple[matplotlib.figure.Figure, pd.DataFrame, str]:
    if _one_cell(part.rows):
        figure, axis = draw_bars(part.rows, headline, context, lengths)
        return figure, part.rows, axis
    rows = known_amounts(part.rows, lengths.column)
    scale, unit = unit_for(rows[lengths.column].tolist(), lengths.units)
    rows = rows.assign(y=rows[lengths.column] / scale, low=float("nan"), high=float("nan"))
    depths = sorted(int(depth) for depth in rows["depth"].unique())
    drawn = draw_curves(rows, headline, context, x="batch", panels="depth", values=depths, plural="depths")
    drawn.paper.name_axes(context.batch_label, f"{lengths.name} ({unit})")
    return drawn.paper.figure, drawn.rows, AXES + drawn.note


def _one_cell(rows: pd.DataFrame) -> bool:
    return bool(rows["depth"].nunique() == 1 and rows["batch"].nunique() == 1)
