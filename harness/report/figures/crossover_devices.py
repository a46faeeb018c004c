"""Predicted crossovers of several devices beside each other.

In: crossovers of one run, predicted. Out: figure and caption. Must not know how they are predicted, nor any kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import matplotlib.figure
from matplotlib.lines import Line2D

from harness.core.axes import AUTOGRAD
from harness.crossover.values import At, Crossover
from harness.report.figures.drawing.contours import draw_band, draw_contour, draw_ends, log_panel
from harness.report.figures.drawing.sheet import Headline, sheet
from harness.report.figures.drawing.style import PALETTE
from harness.report.table.formats import percent

KIND = "crossover_devices"
TITLE = "Predicted, not measured: where the interpreter would stop mattering"
SIZE = (3.7, 2.5)
MOST_PANELS = 4
# Beyond the last thing that there is to see, a factor of so much.
ROOM = 4.0


def drawable(found: Sequence[Crossover]) -> bool:
    """Whether the contour of any device is known at two depths."""
    return any(sum(at.known for at in each.contour) >= 2 for each in found)


def draw(found: Sequence[Crossover], headline: Headline) -> tuple[matplotlib.figure.Figure, str]:
    """A panel for each workload and width, a contour for each device."""
    panels: dict[tuple[str, ...], list[Crossover]] = {}
    for each in found:
        of = each.of
        words = (str(of["workload"]), f"width {of['width']}", str(of["dtype"]))
        forward = of["workload"] != "train"
        panels.setdefault((*words, f"autograd {of[AUTOGRAD]}" if forward else ""), []).append(each)
    shown = dict(list(panels.items())[:MOST_PANELS])
    devices = list(dict.fromkeys(str(each.of["device_name"]) for each in found))
    colours = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(devices)}
    handles = [Line2D([], [], color=colour, linewidth=1.8, label=name) for name, colour in colours.items()]
    paper = sheet(headline, len(shown), SIZE, columns=2, handles=handles, gaps=(0.2, 0.36))
    batches = _reach([each for part in shown.values() for each in part])
    for words, panel in zip(shown, paper.panels, strict=True):
        part = shown[words]
        log_panel(panel, batches, [at.depth for each in part for at in each.contour])
        for each in part:
            draw_band(panel, _within(each, batches[-1]), facecolor=colours[str(each.of["device_name"])], alpha=0.13, zorder=2)
        for place, each in enumerate(part):
            colour = colours[str(each.of["device_name"])]
            draw_contour(panel, each.contour, color=colour, linewidth=1.8, zorder=3)
            # Those at one edge beside each other.
            ends = _within(each, batches[-1])
            draw_ends(panel, ends, color=colour, markersize=6 - place, zorder=3 + place / 10)
        panel.title(", ".join(word for word in words if word))
    paper.name_axes("batch (samples per device)", "depth (layers)")
    return paper.figure, _caption(found, len(panels) - len(shown))


def _reach(found: Sequence[Crossover]) -> list[float]:
    """Powers of four from 1 to beyond all that is known of the contours."""
    known = [end for each in found for at in each.contour for end in (at.batch, at.low, at.high) if 1 < end < math.inf]
    last = min(ROOM * max(known, default=64.0), max(at.most for each in found for at in each.contour))
    return [float(4**power) for power in range(math.ceil(math.log(last, 4)) + 1)]


def _within(each: Crossover, most: float) -> list[At]:
    """The contour, cut where the panel ends."""
    return [replace(at, most=min(at.most, most)) for at in each.contour]


def _caption(found: Sequence[Crossover], left: int) -> str:
    threshold = found[0].threshold
    said = list(dict.fromkeys(note for each in found for note in each.notes))
    more = f" {left} more panels are left out." if left else ""
    return (
        f"Predicted, not measured: the batch from which on one device waits during less than {percent(threshold)} of eager's step, "
        "for the depths of this run. Device time by each device's profile (docs/kernel-times.md), host time by the cost model "
        "fitted to this run, so by this machine's host (docs/cost-model.md). Bands: the profile's error on kernels it was not fitted to (5th to "
        "95th percentile), and the model's on cells it was not fitted on, as if they were independent. An arrow at the left edge: no "
        f"batch at which dispatch matters that much. {' '.join(said)}{more}"
    )
