"""Step time against batch, a panel per depth.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import numpy as np
import pandas as pd

from harness.report.figures.kind import Context, Kind, missing, present, timed, warned
from harness.report.figures.series import draw_modes
from harness.report.figures.sheet import Headline, hollow_entry, legend_entry, sheet
from harness.report.figures.ticks import TIME_UNITS, log_y, measured_x, unit_for
from harness.report.formats import listed
from harness.report.slices import Slice

MOST_PANELS = 9


def drawable(rows: pd.DataFrame) -> bool:
    good = timed(rows)
    return bool((good["batch"] > 0).all()) and good["batch"].nunique() >= 2


def evenly(values: list[int], limit: int) -> list[int]:
    """At most `limit` of the values, both ends among them."""
    if len(values) <= limit:
        return values
    return [values[index] for index in np.linspace(0, len(values) - 1, limit).round().astype(int)]


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = timed(part.rows)
    scale, unit = unit_for(rows["step_us"].tolist(), TIME_UNITS)
    rows = rows.assign(
        y=rows["step_us"] / scale,
        low=rows["step_us_low"].where(rows["step_us_low"] > 0) / scale,
        high=rows["step_us_high"] / scale,
    )
    depths = sorted(int(depth) for depth in rows["depth"].unique())
    shown = evenly(depths, MOST_PANELS)
    rows = rows[rows["depth"].isin(shown)]
    styles = present(context.styles, rows)
    handles = [legend_entry(mode, style) for mode, style in styles.items()]
    handles += [hollow_entry()] if rows["marked"].any() else []
    size = (4.4, 2.9) if len(shown) == 1 else (2.5, 2.0)
    paper = sheet(headline, len(shown), size, handles=handles, columns=2 if len(shown) in (2, 4) else 3)
    low, high = rows[["y", "low"]].min(axis=None), rows[["y", "high"]].max(axis=None)
    for depth, panel in zip(shown, paper.panels, strict=True):
        measured_x(panel, rows["batch"])
        log_y(panel, low, high)
        draw_modes(panel, rows[rows["depth"] == depth], styles, x="batch")
        panel.title(f"depth {depth}")
    paper.name_axes(context.batch_label, f"step time ({unit})")
    caption = (
        "Time of one step; both axes are logarithmic and panels share them. Lower is faster. Where a curve is "
        "flat, a larger batch costs no more time. Bars: 95 % intervals, often smaller than the marker."
    )
    if len(shown) < len(depths):
        caption += f" Drawn: depths {listed(shown)} of {len(depths)}; the others are in the table."
    return paper.figure, caption + warned(rows) + missing(part.rows)


KIND = Kind("step_time", "Step time against batch", frozenset(), drawable, draw)
