"""How many devices one thread can keep busy, against batch, a panel per depth.

In: a slice over device counts and controllers. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import pandas as pd
from matplotlib.lines import Line2D

from harness.core.warnings import BACK_PRESSURE, REPLAY_DIFFERS
from harness.report.figures.drawing.curves import draw_curves
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import FAINT, INK
from harness.report.figures.kind import DOTTED, Context, Kind, measured_on, warned
from harness.report.table.formats import count
from harness.report.table.slices import Slice, undisturbed
from harness.report.table.tidy import carrying

# With one of these issue_us or device_us is known with an error, and so is their ratio.
INEXACT = (BACK_PRESSURE, REPLAY_DIFFERS)
NODE: dict[str, Any] = {"color": INK, "linestyle": (0, (5, 2)), "linewidth": 1.0, "zorder": 2}


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    return undisturbed(rows[rows["ok"] & (rows["feedable_devices"] > 0) & (rows["batch"] > 0)])


def drawable(rows: pd.DataFrame) -> bool:
    return bool(_known(rows)["batch"].nunique() >= 2)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = _known(part.rows)
    inexact = carrying(rows, *INEXACT)
    value = rows["feedable_devices"]
    rows = rows.assign(y=value, low=float("nan"), high=float("nan"), marked=rows["marked"] | inexact)
    used = int(part.rows.loc[part.rows["ok"], "devices"].max())
    node = max(context.installed.get(str(part.values["run"]), 0), used)
    depths = sorted(int(depth) for depth in rows["depth"].unique())
    # Their names stand in the legend, where no curve can run through them.
    levels = [(1.0, "1 device", {**DOTTED, "color": FAINT})]
    if node > 1:
        levels.append((float(node), f"{count(node, 'device')}: the node", NODE))
    drawn = draw_curves(
        *(rows, headline, context),
        x="batch",
        panels="depth",
        values=depths,
        plural="depths",
        reach=tuple(level for level, _, _ in levels),
        handles=[Line2D([], [], label=text, **look) for _, text, look in levels],
    )
    for panel in drawn.paper.panels:
        for level, _, look in levels:
            panel.line([panel.x.low, panel.x.high], [level, level], **look)
    drawn.paper.name_axes(context.batch_label, "devices one thread\ncan keep busy")
    caption = (
        "Device time of a step over the time one thread takes to issue it: so many devices it can keep busy. Below 1 "
        f"it cannot feed even one; above {node} it could feed all {count(node, 'device')} of the node. Both times are "
        f"{measured_on(rows)}. Both axes are logarithmic."
    )
    if inexact.any():
        caption += (
            f" Hollow: {count(int(inexact.sum()), 'point')} with back_pressure (there one thread can feed at least "
            "so many) or replay_differs; see Warnings."
        )
    return drawn.paper.figure, caption + drawn.note + warned(drawn.rows)


KIND = Kind("feedable", "Devices one thread can feed", frozenset({"devices", "controller"}), drawable, draw)
