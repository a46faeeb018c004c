"""Energy per sample, by mode.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.amounts import comparable, draw_amounts
from harness.report.figures.drawing.bars import Lengths
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.kind import EITHER, Context, Kind, warned
from harness.report.table.slices import Slice

ENERGY_UNITS = ((1e-6, "nJ"), (1e-3, "µJ"), (1.0, "mJ"), (1e3, "J"))
ENERGY = Lengths("energy_mj_per_sample", "energy per sample", ENERGY_UNITS)

SAYS = (
    "Energy that all devices took in each point's steady window, divided by the samples they processed there; lower is "
    "better. A device takes power while it waits, too: what keeps it waiting costs energy."
)


def drawable(rows: pd.DataFrame) -> bool:
    return comparable(rows, ENERGY.column)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    figure, rows, axes = draw_amounts(part, headline, context, ENERGY)
    return figure, SAYS + axes + warned(rows, EITHER)


KIND = Kind("energy", "Energy per sample", frozenset(), drawable, draw)
