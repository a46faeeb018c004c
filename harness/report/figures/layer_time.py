"""Step time per layer against depth, a panel per batch.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.kind import Context, Kind, missing, present, timed, warned
from harness.report.figures.series import draw_modes
from harness.report.figures.sheet import Headline, hollow_entry, legend_entry, sheet
from harness.report.figures.step_time import MOST_PANELS, evenly
from harness.report.figures.ticks import TIME_UNITS, log_y, measured_x, unit_for
from harness.report.formats import listed
from harness.report.slices import Slice


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
    shown = evenly(batches, MOST_PANELS)
    rows = rows[rows["batch"].isin(shown)]
    styles = present(context.styles, rows)
    handles = [legend_entry(mode, style) for mode, style in styles.items()]
    handles += [hollow_entry()] if rows["marked"].any() else []
    size = (4.4, 2.9) if len(shown) == 1 else (2.5, 2.0)
    paper = sheet(headline, len(shown), size, handles=handles, columns=2 if len(shown) in (2, 4) else 3)
    low, high = rows[["y", "low"]].min(axis=None), rows[["y", "high"]].max(axis=None)
    for batch, panel in zip(shown, paper.panels, strict=True):
        measured_x(panel, rows["depth"])
        log_y(panel, low, high)
        draw_modes(panel, rows[rows["batch"] == batch], styles, x="depth")
        panel.title(f"batch {batch}")
    paper.name_axes("depth (layers)", f"step time per layer ({unit})")
    caption = (
        "Step time divided by the number of layers. Where the curve is flat, every layer costs the same and the "
        "cost of a step as such is spread thin; where it falls, that cost still shows. Both axes are logarithmic."
    )
    if len(shown) < len(batches):
        caption += f" Drawn: batches {listed(shown)} of {len(batches)}; the others are in the table."
    return paper.figure, caption + warned(rows) + missing(part.rows)


KIND = Kind("layer_time", "Time per layer against depth", frozenset(), drawable, draw)
