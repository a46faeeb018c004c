"""Speed-up over eager as a heat map of depth and batch, a panel per mode.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import math

import matplotlib.figure
import pandas as pd
from matplotlib.patches import Patch

from harness.core.schema import REFERENCE_MODE
from harness.core.stats.verdicts import FASTER, SAME, SLOWER
from harness.report.figures.drawing.heatmap import UNSURE, Shades, Square
from harness.report.figures.drawing.maps import NOT_SWEPT, Record, cells, draw_maps, measured, two_ways
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.ticks import spaced
from harness.report.figures.kind import STARRED, Context, Kind, warned
from harness.report.table.formats import plain
from harness.report.table.slices import Slice

COLOURS = "vlag_r"  # diverging, and its ends differ for colour-blind readers too

# Numbers above 1 at the colour bar, by how far it reaches (as a logarithm); below 1 stand their inverses.
TICKS = (
    (0.5, (1, 1.05, 1.1, 1.2, 1.3)),
    (1.5, (1, 1.25, 1.5, 2, 2.5)),
    (math.inf, tuple(2.0**power for power in range(12))),
)


def _others(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["mode"] != REFERENCE_MODE]


def drawable(rows: pd.DataFrame) -> bool:
    others = _others(rows)
    return two_ways(others) and bool((others["ok"] & (others["speedup_vs_eager"] > 0)).any())


def short_times(value: float) -> str:
    """3.14x; two decimals below 10 and one below 100, so that three digits stand side by side; none above."""
    return f"{value:.2f}x" if value < 9.995 else f"{value:.1f}x" if value < 99.95 else f"{value:.0f}x"


def _cell(row: Record) -> Square:
    value = row["speedup_vs_eager"]
    if not row["ok"]:
        return Square(str(row["status"]))
    if not value > 0:
        return Square("no eager")
    star = "*" if row["marked"] else ""
    # Where nothing is decided, the cell must not look as if it were.
    if row["verdict"] not in (FASTER, SLOWER, SAME):
        return Square(f"{short_times(value)} ~{star}", unsure=True)
    if row["verdict"] == SAME:
        return Square(f"{short_times(value)} ={star}", 0.0)
    return Square(short_times(value) + star, math.log2(value))


def _bar_ticks(limit: float, width: float) -> dict[float, str]:
    """1 and, on each side of it, what fits: thinned out from 1 outwards, so that 1 is always there."""
    candidates = next(ticks for reach, ticks in TICKS if limit <= reach)
    above = [float(value) for value in candidates if math.log2(value) <= limit]
    # Places shortened by a third: each number is followed by its x, and 0.667 is longer than 1.5.
    kept = spaced(above, [0.67 * width * math.log2(value) / (2 * limit) for value in above])
    found = sorted({*kept, *(float(f"{1 / value:.2g}") for value in kept)})
    return {math.log2(value): f"{plain(value)}x" for value in found}


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    others, absent = measured(_others(part.rows))
    maps = cells(others, ["ok", "status", "marked", "speedup_vs_eager", "verdict"], _cell)
    known = [abs(c.value) for own in maps.values() for c in own.values() if not math.isnan(c.value)]
    # One scale for all panels, the same to both sides, and never so narrow that 1 % looks like a gulf.
    limit = max([*known, math.log2(1.25)])
    note = Patch(
        facecolor=UNSURE, label="1.00x ~  undecided: neither a difference nor that there is none is shown"
    )
    figure = draw_maps(
        *(others, maps, headline, context),
        shades=Shades(COLOURS, -limit, limit),
        ticks=lambda width: _bar_ticks(limit, width),
        handles=[note],
    )
    caption = (
        "How many times as fast as eager each mode runs: blue is faster, red slower, on one logarithmic colour "
        "scale for all panels, where the 95 % interval lies wholly beyond the larger of 1 % and the noise floor; "
        "with = it lies wholly within. Grey italics with ~: undecided. "
        f"{NOT_SWEPT}"
    )
    return figure, caption + absent + warned(others, STARRED)


KIND = Kind("speedup", "Speed-up over eager", frozenset(), drawable, draw)
