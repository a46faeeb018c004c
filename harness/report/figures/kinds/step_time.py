"""The time of a step: whole, against batch, a panel per depth; or per layer, against depth, a panel per batch.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.curves import Curves, draw_curves
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.ticks import TIME_UNITS, unit_for
from harness.report.figures.kind import Context, Kind, missing, timed, warned
from harness.report.table.slices import Slice


def _varies(rows: pd.DataFrame, axis: str) -> bool:
    good = timed(rows)
    return bool((good[axis] > 0).all()) and good[axis].nunique() >= 2


def _with_times(rows: pd.DataFrame, parts: pd.Series | int) -> tuple[pd.DataFrame, str]:
    """Rows with y, low and high, the step time over `parts`, and the unit of all three."""
    scale, unit = unit_for((rows["step_us"] / parts).tolist(), TIME_UNITS)
    size = parts * scale
    low = rows["step_us_low"].where(rows["step_us_low"] > 0) / size
    return rows.assign(y=rows["step_us"] / size, low=low, high=rows["step_us_high"] / size), unit


def _told(drawn: Curves, part: Slice, caption: str) -> tuple[matplotlib.figure.Figure, str]:
    return drawn.paper.figure, caption + drawn.note + warned(drawn.rows) + missing(part.rows)


def step_drawable(rows: pd.DataFrame) -> bool:
    return _varies(rows, "batch")


def draw_step(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows, unit = _with_times(timed(part.rows), 1)
    depths = sorted(int(depth) for depth in rows["depth"].unique())
    drawn = draw_curves(rows, headline, context, x="batch", panels="depth", values=depths, plural="depths")
    drawn.paper.name_axes(context.batch_label, f"step time ({unit})")
    caption = (
        "Time of one step; both axes are logarithmic and panels share them. Lower is faster. Where a curve is "
        "flat, a larger batch costs no more time. Bars: 95 % intervals, often smaller than the marker."
    )
    return _told(drawn, part, caption)


def layer_drawable(rows: pd.DataFrame) -> bool:
    return _varies(rows, "depth")


def draw_layer(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = timed(part.rows)
    rows, unit = _with_times(rows, rows["depth"])
    # A batch measured at one depth only would be a panel with a single point.
    depths = rows.groupby("batch")["depth"].nunique()
    batches = sorted(int(batch) for batch in depths.index[depths >= 2]) or sorted(
        int(batch) for batch in depths.index
    )
    drawn = draw_curves(rows, headline, context, x="depth", panels="batch", values=batches, plural="batches")
    drawn.paper.name_axes("depth (layers)", f"step time per layer ({unit})")
    caption = (
        "Step time divided by the number of layers. Where the curve is flat, every layer costs the same and the "
        "cost of a step as such is spread thin; where it falls, that cost still shows. Both axes are logarithmic."
    )
    return _told(drawn, part, caption)


OF_STEP = Kind("step_time", "Step time against batch", frozenset(), step_drawable, draw_step)
OF_LAYER = Kind("layer_time", "Time per layer against depth", frozenset(), layer_drawable, draw_layer)
