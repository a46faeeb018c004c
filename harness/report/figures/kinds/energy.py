"""Energy per sample: a curve per mode against batch, a panel per depth; bars where there is one batch.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.bars import Lengths, draw_bars
from harness.report.figures.drawing.curves import draw_curves
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.ticks import unit_for
from harness.report.figures.kind import Context, Kind, warned
from harness.report.table.slices import Slice

ENERGY_UNITS = ((1e-6, "nJ"), (1e-3, "µJ"), (1.0, "mJ"), (1e3, "J"))
ENERGY = Lengths("energy_mj_per_sample", "energy per sample", ENERGY_UNITS)

SAYS = (
    "Energy that all devices took in each point's steady window, divided by the samples they processed there; lower is "
    "better. "
)


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["ok"] & (rows["energy_mj_per_sample"] > 0) & (rows["batch"] > 0)]


def _one_cell(rows: pd.DataFrame) -> bool:
    return bool(rows["depth"].nunique() == 1 and rows["batch"].nunique() == 1)


def drawable(rows: pd.DataFrame) -> bool:
    good = _known(rows)
    return bool(good["batch"].nunique() >= 2 or (_one_cell(rows) and good["mode"].nunique() >= 2))


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    if _one_cell(part.rows):
        figure, axis = draw_bars(part.rows, headline, context, ENERGY)
        return figure, SAYS.rstrip() + axis + warned(part.rows)
    rows = _known(part.rows)
    scale, unit = unit_for(rows["energy_mj_per_sample"].tolist(), ENERGY_UNITS)
    rows = rows.assign(y=rows["energy_mj_per_sample"] / scale, low=float("nan"), high=float("nan"))
    depths = sorted(int(depth) for depth in rows["depth"].unique())
    drawn = draw_curves(rows, headline, context, x="batch", panels="depth", values=depths, plural="depths")
    drawn.paper.name_axes(context.batch_label, f"energy per sample ({unit})")
    caption = (
        f"{SAYS}Both axes are logarithmic and panels share them. A device takes power while it waits, "
        "too: what keeps it waiting costs energy."
    )
    return drawn.paper.figure, caption + drawn.note + warned(drawn.rows)


KIND = Kind("energy", "Energy per sample", frozenset(), drawable, draw)
