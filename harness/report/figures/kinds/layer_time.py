"""Step time per layer against depth, a panel per batch.

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
    return bool((good["depth"] > 0).all()) and good["depth"].nunique() >= 2


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = timed(part.rows)
    scale, unit = unit_for((rows["step_us"] / rows["depth"]).tolist(), TIME_UNITS)
    layers = rows["depth"] * scale
    rows = rows.assign(
        y=rows["step_us"] / layers,
        low=rows["step_us_low"].where(rows["step_us_low"] > 0) / layers,
        high=rows["step_us_high"] / layers,
    )
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
    return drawn.paper.figure, caption + drawn.note + warned(drawn.rows) + missing(part.rows)


KIND = Kind("layer_time", "Time per layer against depth", frozenset(), drawable, draw)
