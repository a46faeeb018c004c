"""Step time per mode as bars, for sweeps of a single cell.

In: a slice with one depth and one batch. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.bars import Lengths, draw_bars
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.ticks import TIME_UNITS
from harness.report.figures.kind import EITHER, Context, Kind, timed, warned
from harness.report.table.attribution import is_ladder
from harness.report.table.slices import Slice

STEP_TIME = Lengths("step_us", "step time", TIME_UNITS, ("step_us_low", "step_us_high"))


def drawable(rows: pd.DataFrame) -> bool:
    one_cell = rows["depth"].nunique() == 1 and rows["batch"].nunique() == 1
    # A ladder has a figure of its own, which shows the same and more.
    return bool(one_cell and timed(rows)["mode"].nunique() >= 2) and not is_ladder(rows)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    figure, axis = draw_bars(part.rows, headline, context, STEP_TIME)
    caption = "Time of one step in each mode; shorter is faster. Dark lines: 95 % intervals."
    return figure, caption + axis + warned(part.rows, EITHER)


KIND = Kind("modes", "Step time by mode", frozenset(), drawable, draw)
