"""Step time against batch, a panel per depth.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.curves import draw_curves
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.ticks import TIME_UNITS, unit_for
from harness.report.figures.kind import Context, Kind, missing, timed, warned
from harness.report.table.slices import Slice


def drawable(rows: pd.DataFrame) -> bool:
    good = timed(rows)
    return bool((good["batch"] > 0).all()) and good["batch"].nunique() >= 2


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = timed(part.rows)
    scale, unit = unit_for(rows["step_us"].tolist(), TIME_UNITS)
    rows = rows.assign(
        y=rows["step_us"] / scale,
        low=rows["step_us_low"].where(rows["step_us_low"] > 0) / scale,
        high=rows["step_us_high"] / scale,
    )
    depths = sorted(int(depth) for depth in rows["depth"].unique())
    drawn = draw_curves(rows, headline, context, x="batch", panels="depth", values=depths, plural="depths")
    drawn.paper.name_axes(context.batch_label, f"step time ({unit})")
    caption = (
        "Time of one step; both axes are logarithmic and panels share them. Lower is faster. Where a curve is "
        "flat, a larger batch costs no more time. Bars: 95 % intervals, often smaller than the marker."
    )
    return drawn.paper.figure, caption + drawn.note + warned(drawn.rows) + missing(part.rows)


KIND = Kind("step_time", "Step time against batch", frozenset(), drawable, draw)
