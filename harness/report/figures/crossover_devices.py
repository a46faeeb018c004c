"""Predicted crossovers of several devices beside each other.

In: crossovers of one run, predicted. Out: figure and caption. Must not know how they are predicted, nor any kind.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import matplotlib.figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.core.axes import AUTOGRAD, DEFAULTS
from harness.crossover.values import BELOW, UNKNOWN, At, Crossover
from harness.crossover.words import deepest, end_words
from harness.report.figures.drawing.contours import draw_band, draw_contour, draw_ends, log_panel
from harness.report.figures.drawing.panel import Panel
from harness.report.figures.drawing.sheet import Headline, sheet
from harness.report.figures.drawing.style import FONT, INK
from harness.report.table.formats import listed, percent

KIND = "crossover_devices"
TITLE = "Predicted, not measured: where the interpreter would stop mattering"
BAND = "#d3dcea"
SIZE = (2.15, 1.9)
# On other axes contours are apart: a row of panels each, or a figure.
APART = ("workload", "width", "dtype", AUTOGRAD)
MOST_ROWS = 3
# The panels end so many times beyond the last thing that there is to see.
ROOM = 1.5


def drawable(found: Sequence[Crossover]) -> bool:
    """Whether the contour of any device is known at two depths."""
    return any(sum(at.known for at in each.contour) >= 2 for each in found)


def draw(found: Sequence[Crossover], headline: Headline) -> tuple[matplotlib.figure.Figure, str]:
    """A panel for each device, a row of them for each workload and width."""
    parts = {", ".join(words(part[0])): part for part in apart(found)}
    shown = dict(list(parts.items())[:MOST_ROWS])
    across = max(len(part) for part in shown.values())
    entries = [
        Line2D([], [], color=INK, linewidth=1.8, label=f"below {percent(found[0].threshold)} from here on"),
        Patch(facecolor=BAND, label="where it may lie"),
        Line2D([], [], color=INK, marker="<", linestyle="none", label="below it at every batch"),
    ]
    if len(shown) == 1:  # else it stands over the panels
        headline = replace(headline, subtitle=f"{next(iter(shown))}; {headline.subtitle}")
    paper = sheet(headline, across * len(shown), SIZE, columns=across, handles=entries, gaps=(0.34, 0.5))
    batches = _reach([each for part in shown.values() for each in part])
    for (title, part), panels in zip(shown.items(), paper.rows, strict=True):
        for panel, each in zip(panels, part, strict=False):
            measured = [at.depth for at in each.contour if at.measured] or [at.depth for at in each.contour]
            log_panel(panel, batches, measured)
            cut = [replace(at, most=min(at.most, batches[-1])) for at in each.contour]
            if _is_known(each):
                draw_band(panel, cut, facecolor=BAND, zorder=0.6)
                draw_contour(panel, cut, color=INK, linewidth=1.8, zorder=3)
                draw_ends(panel, cut, color=INK, markersize=6, zorder=3)
            else:
                _say_not_known(panel, deepest(each.contour))
            panel.title(
                f"{each.of['device_name']}" if len(shown) == 1 else f"{each.of['device_name']}\n{title}"
            )
    paper.name_axes("batch (samples per device)", "depth (layers)")
    return paper.figure, _caption(found, len(parts) - len(shown))


def _is_known(each: Crossover) -> bool:
    """Whether at the deepest model that was measured the interval says where the line lies."""
    return deepest(each.contour).placed


def _say_not_known(panel: Panel, at: At) -> None:
    """In place of a band over most of the panel."""
    x, y = panel.left + panel.width / 2, panel.bottom + panel.height / 2
    low, high = end_words(at)
    look = {"ha": "center", "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 2.0}}
    panel.text(x, y, "not known", va="bottom", weight="bold", color=INK, **look)
    where = f"at depth {at.depth:.0f} anywhere\nfrom {low} to {high}"
    panel.text(x, y - 0.04, where, va="top", size=FONT - 1, color=INK, **look)


def apart(found: Sequence[Crossover]) -> list[list[Crossover]]:
    """Those of one workload, width and number format each, in order of first appearance."""
    parts: dict[tuple[Any, ...], list[Crossover]] = {}
    for each in found:
        parts.setdefault(tuple(each.of[name] for name in APART), []).append(each)
    return list(parts.values())


def words(each: Crossover, names: Collection[str] = APART) -> list[str]:
    """`forward`, `width 64`, `float32`; how autograd was set only where that is not usual."""
    said = {name: str(each.of[name]) for name in APART}
    said["width"] = f"width {said['width']}"
    said[AUTOGRAD] = "" if said[AUTOGRAD] == DEFAULTS[AUTOGRAD] else f"autograd {said[AUTOGRAD]}"
    return [text for name, text in said.items() if name in names and text]


def _reach(found: Sequence[Crossover]) -> list[float]:
    """Powers of four from 1 to beyond all that is known of the contours."""
    ends = (end for each in found for at in each.contour for end in (at.batch, at.low, at.high))
    last = min(
        ROOM * max((end for end in ends if 1 < end < math.inf), default=16.0), found[0].contour[0].most
    )
    return [float(4**power) for power in range(math.ceil(math.log(last, 4)) + 1)]


def _caption(found: Sequence[Crossover], left: int) -> str:
    threshold = found[0].threshold
    said = list(dict.fromkeys(note for each in found for note in each.notes))
    more = f" {left} more of workload and width are left out." if left else ""
    unknown = [each.of["device_name"] for each in found if not _is_known(each)]
    not_known = (
        f" Not known for {listed(dict.fromkeys(unknown))}: what it may be reaches over more than a factor of "
        f"{UNKNOWN:g} of batches."
        if unknown
        else ""
    )
    always = [
        each.of["device_name"] for each in found if _is_known(each) and deepest(each.contour).side == BELOW
    ]
    at_no_batch = (
        f" An arrow at the left edge ({listed(dict.fromkeys(always))}): at every batch the device waits for less, "
        "since even its shortest kernels take about as long as this host takes to issue them."
        if always
        else ""
    )
    return (
        "Predicted, not measured: the batch from which on a device waits for less than "
        f"{percent(threshold)} of eager's step, with one device and one process that issues, for this run's depths. "
        "Device time by each device's profile; host time by the cost model fitted to this run, so by this machine's "
        "host, not by the one that such a device would have. Where it may lie: the profile's error on kernels it was "
        "not fitted to (5th to 95th percentile), and the model's on cells it was not fitted on, as if they were "
        f"independent.{not_known}{at_no_batch} {' '.join(said)}{more}"
    )
