"""Predictions over the number of devices: the device's utilisation, and where a mode stops being dispatch-bound.

In: a table of predictions (columns of harness.costs.forecast, and `marked`). Out: figure and caption, which always give
the model's error. Must not know how costs are fitted.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.curves import evenly
from harness.report.figures.drawing.over_devices import draw_over_devices
from harness.report.figures.drawing.panel import Scale
from harness.report.figures.drawing.series import draw_modes
from harness.report.figures.drawing.sheet import Headline, Sheet, hollow_entry, legend_entry, sheet
from harness.report.figures.drawing.style import ModeStyle
from harness.report.figures.drawing.ticks import measured_x
from harness.report.figures.kind import present

MOST_ROWS = 3
UTILISATIONS = (0, 0.25, 0.5, 0.75, 1)


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
    reach = float(found.min()), float(found.max())
    for depth, panels in zip(depths, paper.rows, strict=True):
        for controller, panel in zip(controllers, panels, strict=True):
            own = cells[(cells["controller"] == controller) & (cells["depth"] == depth)]
            own = own.assign(y=own["bound_until_batch"].astype("float64"))
            draw_over_devices(panel, own, styles, devices=table["devices"], reach=reach)
            panel.title(f"{controller}, depth {depth}")
    paper.name_axes("devices", "device-bound from batch")
    caption = (
        "Predicted, not measured: the batch per device from which on the device and not the issuing of work decides "
        "on the step time, against the number of devices. Where a curve is missing there is no such batch up to 2^30. "
    )
    return paper.figure, f"{caption}The model is {error}."
