"""Predicted against measured.

In: a slice of measured points. Out: figure and caption, which always give the model's error. Must not know other kinds,
nor how costs are fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from harness.costs.step import Fit, ModeCost, fit, fittable, of_cost
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.series import MARKER_SIZE
from harness.report.figures.drawing.sheet import Headline, hollow_entry, legend_entry, sheet
from harness.report.figures.drawing.style import FAINT, ModeStyle
from harness.report.figures.drawing.ticks import TIME_UNITS, log_ticks, unit_for
from harness.report.figures.kind import Context, Kind, present, warned
from harness.report.table.accuracy import error_words
from harness.report.table.formats import percent
from harness.report.table.slices import WITHIN_DEVICE, Slice

MARK = 0.15  # the error that the model is meant to stay within
THIN = {"linewidth": 0.9, "zorder": 2}
DOTS = (0, (2, 2))


def drawable(rows: pd.DataFrame) -> bool:
    return fittable(rows)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    fitted = fit(part.rows)
    rows = fitted.held_out
    scale, unit = unit_for(rows["measured_us"].tolist(), TIME_UNITS)
    rows = rows.assign(measured=rows["measured_us"] / scale, ratio=rows["predicted_us"] / rows["measured_us"])
    workloads = list(dict.fromkeys(rows["workload"]))
    styles = present(context.styles, rows)
    handles = [legend_entry(mode, style, linestyle="none") for mode, style in styles.items()]
    handles += [Line2D([], [], color=FAINT, label="equal"), _dotted(f"{percent(MARK)} off")]
    handles += [hollow_entry()] if rows["marked"].any() else []
    named = replace(headline, subtitle=f"{headline.subtitle}; model {error_words(fitted.error)}")
    size = (5.2, 2.8) if len(workloads) == 1 else (3.6, 2.4)
    paper = sheet(named, len(workloads), size, handles=handles, columns=2)
    ends = float(rows["measured"].min()), float(rows["measured"].max())
    furthest = max(float(np.exp(np.abs(np.log(rows["ratio"])).max())), 1 / (1 - MARK))
    for workload, panel in zip(workloads, paper.panels, strict=True):
        _scales(panel, ends, furthest)
        _scatter(panel, rows[rows["workload"] == workload], styles)
        if len(workloads) > 1:
            panel.title(str(workload))
    paper.name_axes(f"measured step time ({unit})", "predicted / measured")
    return paper.figure, _caption(fitted) + warned(rows)


def _caption(fitted: Fit) -> str:
    each = "; ".join(
        f"{cost.mode} ({_of(cost)}) {percent(cost.error.median)} and {percent(cost.error.p90)}"
        for cost in fitted.costs
    )
    text = (
        "What the cost model predicts over what was measured: fitted on half of the cells (every other one on each "
        "axis), asked about the other half, and the other way round. Above 1 it predicts too long a step. "
        f"The model is {error_words(fitted.error)}. "
        f"Per mode, median and 90th percentile: {each}. Both axes are logarithmic."
    )
    return " ".join([text, *fitted.refused])


def _of(cost: ModeCost) -> str:
    """Without the number format, which the title tells."""
    workload, _, *rest = of_cost(cost.workload, cost.dtype, cost.autograd)
    return ", ".join([workload, *rest])


def _dotted(label: str) -> Line2D:
    return Line2D([], [], color=FAINT, label=label, linestyle=DOTS, linewidth=0.9)


def _scales(panel: Panel, measured: tuple[float, float], furthest: float) -> None:
    """Both axes logarithmic, with the line on which prediction and measurement are equal and those that are MARK off.
    furthest: the largest ratio, or one over the least."""
    margin = (measured[1] / measured[0]) ** 0.05 if measured[1] > measured[0] else 1.5
    panel.x = Scale(measured[0] / margin, measured[1] * margin, logarithmic=True)
    panel.grid_x(log_ticks(panel.x.low, panel.x.high))
    panel.y = Scale(1 / furthest**1.1, furthest**1.1, logarithmic=True)
    panel.grid_y(log_ticks(panel.y.low, panel.y.high))
    edges = [panel.x.low, panel.x.high]
    panel.line(edges, [1, 1], color=FAINT, **THIN)
    for ratio in (1 - MARK, 1 + MARK):
        panel.line(edges, [ratio, ratio], color=FAINT, linestyle=DOTS, **THIN)


def _scatter(panel: Panel, rows: pd.DataFrame, styles: Mapping[str, ModeStyle]) -> None:
    for mode, style in styles.items():
        for marked, face in ((False, style.colour), (True, "white")):
            own = rows[(rows["mode"] == mode) & (rows["marked"] == marked)]
            if len(own):
                look = {"color": style.colour, "marker": style.marker, "markerfacecolor": face}
                panel.line(
                    own["measured"],
                    own["ratio"],
                    linestyle="none",
                    markersize=MARKER_SIZE,
                    zorder=3,
                    **look,
                )


# All cells of a run and device are held against each other in one figure.
KIND = Kind("predicted", "Predicted against measured", WITHIN_DEVICE, drawable, draw)
