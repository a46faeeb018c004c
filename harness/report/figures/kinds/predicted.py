"""Predicted against measured, and predictions over devices.

In: a slice of measured points, or a table of predictions. Out: figure and caption, which always give the model's
error. Must not know other kinds, nor how costs are fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import matplotlib.figure
import pandas as pd
from matplotlib.lines import Line2D

from harness.costs.step import Fit, fit, fittable
from harness.report.figures.drawing.curves import evenly
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.series import MARKER_SIZE, draw_modes
from harness.report.figures.drawing.sheet import Headline, Sheet, hollow_entry, legend_entry, sheet
from harness.report.figures.drawing.style import FAINT, ModeStyle
from harness.report.figures.drawing.ticks import TIME_UNITS, log_ticks, log_y, measured_x, unit_for
from harness.report.figures.kind import Context, Kind, present, warned
from harness.report.table.accuracy import error_words
from harness.report.table.formats import percent
from harness.report.table.slices import WITHIN_DEVICE, Slice

MARK = 0.15  # the error that the model is meant to stay within
MOST_ROWS = 3
UTILISATIONS = (0, 0.25, 0.5, 0.75, 1)
THIN = {"linewidth": 0.9, "zorder": 2}
DOTS = (0, (2, 2))


def drawable(rows: pd.DataFrame) -> bool:
    return fittable(rows)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    fitted = fit(part.rows)
    rows = fitted.held_out
    scale, unit = unit_for(rows["measured_us"].tolist(), TIME_UNITS)
    rows = rows.assign(measured=rows["measured_us"] / scale, predicted=rows["predicted_us"] / scale)
    workloads = list(dict.fromkeys(rows["workload"]))
    styles = present(context.styles, rows)
    handles = [legend_entry(mode, style, linestyle="none") for mode, style in styles.items()]
    handles += [Line2D([], [], color=FAINT, label="equal"), _dotted(f"{percent(MARK)} off")]
    handles += [hollow_entry("hollow: with a warning")] if rows["marked"].any() else []
    named = replace(headline, subtitle=f"{headline.subtitle}; model {error_words(fitted.error)}")
    size = (3.8, 3.8) if len(workloads) == 1 else (3.0, 3.0)
    paper = sheet(named, len(workloads), size, handles=handles, columns=2)
    both = rows[["measured", "predicted"]]
    ends = float(both.min(axis=None)), float(both.max(axis=None))
    for workload, panel in zip(workloads, paper.panels, strict=True):
        _square(panel, *ends)
        _scatter(panel, rows[rows["workload"] == workload], styles)
        if len(workloads) > 1:
            panel.title(str(workload))
    paper.name_axes(f"measured step time ({unit})", f"predicted step time ({unit})")
    return paper.figure, _caption(fitted) + warned(rows)


def _caption(fitted: Fit) -> str:
    each = "; ".join(
        f"{cost.mode} ({cost.workload}) {percent(cost.error.median)} and {percent(cost.error.p90)}"
        for cost in fitted.costs
    )
    text = (
        "The cost model of docs/cost-model.md, fitted on half of the cells (every other one on each axis), against "
        f"what was measured in the other half, and the other way round. The model is {error_words(fitted.error)}. "
        f"Per mode, median and 90th percentile: {each}. Both axes are logarithmic."
    )
    return " ".join([text, *fitted.refused])


def _dotted(label: str) -> Line2D:
    return Line2D([], [], color=FAINT, label=label, linestyle=DOTS, linewidth=0.9)


def _square(panel: Panel, low: float, high: float) -> None:
    """The same logarithmic scale on both axes, with the line on which both are equal."""
    log_y(panel, low, high)
    panel.x = replace(panel.y)
    panel.grid_x(log_ticks(panel.x.low, panel.x.high))
    edges = [panel.x.low, panel.x.high]
    panel.line(edges, edges, color=FAINT, **THIN)
    # What leaves the panel is cut where it does.
    over, under = 1 + MARK, 1 - MARK
    panel.line([edges[0], edges[1] / over], [edges[0] * over, edges[1]], color=FAINT, linestyle=DOTS, **THIN)
    panel.line(
        [edges[0] / under, edges[1]], [edges[0], edges[1] * under], color=FAINT, linestyle=DOTS, **THIN
    )


def _scatter(panel: Panel, rows: pd.DataFrame, styles: Mapping[str, ModeStyle]) -> None:
    for mode, style in styles.items():
        for marked, face in ((False, style.colour), (True, "white")):
            own = rows[(rows["mode"] == mode) & (rows["marked"] == marked)]
            if len(own):
                look = {"color": style.colour, "marker": style.marker, "markerfacecolor": face}
                panel.line(
                    own["measured"],
                    own["predicted"],
                    linestyle="none",
                    markersize=MARKER_SIZE,
                    zorder=3,
                    **look,
                )


def _grid(
    table: pd.DataFrame, headline: Headline, styles: Mapping[str, ModeStyle], rows: int
) -> tuple[Sheet, list[str]]:
    """A panel per controller, `rows` times."""
    controllers = list(dict.fromkeys(table["controller"]))
    own = present(styles, table)
    handles = [legend_entry(mode, style) for mode, style in own.items()]
    handles += [hollow_entry("hollow: outside of what was fitted")] if table["marked"].any() else []
    size = (2.4, 1.7) if len(controllers) > 1 else (4.2, 2.0)
    columns = len(controllers)
    return sheet(headline, rows * columns, size, columns=columns, handles=handles), controllers


def draw_utilisation(
    table: pd.DataFrame, headline: Headline, styles: Mapping[str, ModeStyle], error: str
) -> tuple[matplotlib.figure.Figure, str]:
    """table: predictions of one model, workload and number format."""
    # Where nothing is dispatch-bound any more, all panels would be the same.
    bound = table[table["dispatch_bound"] == "yes"]
    shown = bound if len(bound) else table
    batches = evenly(sorted({int(batch) for batch in shown["batch"]}), MOST_ROWS)
    paper, controllers = _grid(table, headline, styles, len(batches))
    for batch, panels in zip(batches, paper.rows, strict=True):
        for controller, panel in zip(controllers, panels, strict=True):
            own = table[(table["controller"] == controller) & (table["batch"] == batch)]
            measured_x(panel, table["devices"])
            panel.y = Scale(0, 1.08)
            panel.grid_y(UTILISATIONS)
            draw_modes(panel, own.assign(y=own["utilisation"]), styles, x="devices", interval=None)
            panel.title(f"{controller}, batch {batch}")
    paper.name_axes("devices", "utilisation")
    caption = (
        "Predicted, not measured: the share of a step in which the device works, against the number of devices. A "
        "`loop`, and `threads` where the interpreter has a lock, issue to the devices of one node in turn. "
        "Drawn: the smallest, a middle and the largest batch at which a mode is dispatch-bound. "
    )
    return paper.figure, f"{caption}The model is {error}."


def draw_bound(
    table: pd.DataFrame, headline: Headline, styles: Mapping[str, ModeStyle], error: str
) -> tuple[matplotlib.figure.Figure, str]:
    """table: predictions of one width, workload and number format, with at least one `bound_until_batch`."""
    cells = table.drop_duplicates(["mode", "controller", "depth", "devices"])
    depths = evenly(sorted({int(depth) for depth in table["depth"]}), MOST_ROWS)
    paper, controllers = _grid(table, headline, styles, len(depths))
    found = cells["bound_until_batch"].dropna()
    for depth, panels in zip(depths, paper.rows, strict=True):
        for controller, panel in zip(controllers, panels, strict=True):
            own = cells[(cells["controller"] == controller) & (cells["depth"] == depth)]
            measured_x(panel, table["devices"])
            log_y(panel, float(found.min()), float(found.max()))
            own = own.assign(y=own["bound_until_batch"].astype("float64"))
            draw_modes(panel, own, styles, x="devices", interval=None)
            panel.title(f"{controller}, depth {depth}")
    paper.name_axes("devices", "device-bound from batch")
    caption = (
        "Predicted, not measured: the batch per device from which on the device and not the issuing of work decides "
        "on the step time, against the number of devices. Where a curve is missing there is no such batch up to 2^30. "
    )
    return paper.figure, f"{caption}The model is {error}."


# All cells of a run and device are held against each other in one figure.
KIND = Kind("predicted", "Predicted against measured", WITHIN_DEVICE, drawable, draw)
