"""What a step keeps in memory, by mode.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.amounts import comparable, draw_amounts, known_amounts
from harness.report.figures.drawing.bars import Lengths
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.kind import EITHER, Context, Kind, warned
from harness.report.table.slices import Slice
from harness.report.table.tensors import DIFFERENT, PEAK

UNITS = ((2.0**-20, "bytes"), (2.0**-10, "KiB"), (1.0, "MiB"), (2.0**10, "GiB"))
MEMORY = Lengths(PEAK, "tensors alive", UNITS)

SAYS = (
    "The most bytes of tensors that are alive at a time within one step, beyond parameters and inputs; lower is "
    "better. "
    "An imperative program keeps what has a name until its function ends; what sees the whole program frees a value "
    "after its last use, or never makes it."
)


def drawable(rows: pd.DataFrame) -> bool:
    """Where modes of a cell differ: else there is nothing to see."""
    cells = known_amounts(rows, PEAK).groupby(["depth", "batch"])[PEAK]
    return comparable(rows, PEAK) and bool((cells.max() > DIFFERENT * cells.min()).any())


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    figure, rows, axes = draw_amounts(part, headline, context, MEMORY)
    return figure, SAYS + axes + warned(rows, EITHER)


KIND = Kind("memory", "Memory of a step", frozenset(), drawable, draw)
