"""Throughput against devices, a curve per controller, a panel per mode.

In: a slice over device counts and controllers. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd
from matplotlib.lines import Line2D

from harness.report.figures.drawing.over_devices import draw_over_devices
from harness.report.figures.drawing.sheet import Headline, hollow_entry, legend_entry, sheet
from harness.report.figures.drawing.style import FAINT, controller_styles
from harness.report.figures.drawing.ticks import RATE_UNITS, unit_for
from harness.report.figures.kind import DOTTED, Context, Kind, present, warned
from harness.report.table.formats import listed
from harness.report.table.slices import Slice, cell_words, hardest_cell
from harness.report.table.tidy import CONTROLLER_ORDER, controller_rank

SAYS = {
    "processes": "processes: a process per device",
    "threads": "threads: a thread per device",
    "loop": "loop: one thread for all",
}


def _good(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["ok"] & (rows["throughput_samples_s"] > 0)]


def drawable(rows: pd.DataFrame) -> bool:
    """Two device counts under a controller other than a process per device, which has a figure of its own."""
    others = _good(rows[rows["controller"] != CONTROLLER_ORDER[0]])
    return bool(len(others) and others.groupby("controller")["devices"].nunique().max() >= 2)


def _start(own: pd.DataFrame) -> float:
    """Throughput on one device, under the first controller that was measured there; NaN without one."""
    alone = own[own["devices"] == 1]
    if alone.empty:
        return float("nan")
    return float(alone.sort_values("controller", key=lambda names: names.map(controller_rank))["y"].iloc[0])


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = _good(part.rows)
    depth, batch = hardest_cell(rows)
    rows = rows[(rows["depth"] == depth) & (rows["batch"] == batch)]
    scale, unit = unit_for(rows["throughput_samples_s"].tolist(), RATE_UNITS)
    rows = rows.assign(y=rows["throughput_samples_s"] / scale)
    modes = list(present(context.styles, rows))
    styles = controller_styles(rows["controller"])
    parts = [rows[rows["mode"] == mode] for mode in modes]
    most = float(rows["devices"].max())
    starts = [_start(own) for own in parts]
    ends = [start * reach for start in starts if start == start for reach in (1.0, most)]
    handles = [legend_entry(SAYS.get(name, name), style) for name, style in styles.items()]
    handles += [Line2D([], [], color=FAINT, label="ideal", **DOTTED)] if ends else []
    handles += [hollow_entry()] if rows["marked"].any() else []
    # As wide as a page for many modes, and without a row that is nearly empty.
    columns = (
        len(modes) if len(modes) <= 3 else {4: 2, 5: 3, 6: 3}.get(len(modes), 5 if len(modes) > 8 else 4)
    )
    size = (2.3, 1.9) if columns < 5 else (1.95, 1.7)
    paper = sheet(headline, len(modes), size, columns=columns, handles=handles, gaps=(0.2, 0.36))
    low, high = min([*rows["y"], *ends]), max([*rows["y"], *ends])
    for mode, own, start, panel in zip(modes, parts, starts, paper.panels, strict=True):
        panel.title(mode)
        ideal = [(([1.0, most], [start, start * most]), FAINT)] if start == start else []
        draw_over_devices(
            *(panel, own, styles),
            devices=rows["devices"],
            reach=(low, high),
            ideals=ideal,
            by="controller",
        )
    paper.name_axes("devices", f"throughput ({unit})")
    caption = (
        f"All samples per second at {cell_words(depth, batch)}, where issuing costs most beside the work; both "
        "axes are logarithmic and panels share them. Dotted: the mode's throughput on one device "
        f"({next(iter(styles))}) times the number of devices. Where a curve leaves it, more devices bring less than "
        "they could; the findings say what holds them back."
    )
    if not ends:
        caption += " One device was not measured, so that there is no ideal line."
    statuses = part.rows.loc[~part.rows["ok"], "status"].value_counts()
    refused = listed(f"{number} {status}" for status, number in statuses.items())
    return paper.figure, caption + warned(rows) + (f" Points without a time: {refused}." if refused else "")


KIND = Kind("controllers", "Who issues the work", frozenset({"devices", "controller"}), drawable, draw)
