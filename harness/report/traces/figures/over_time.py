"""Utilisation and work in the queue over time, two panels a device.

In: devices of ranks. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.figure

from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import Headline, sheet
from harness.report.figures.drawing.style import INK
from harness.report.figures.drawing.ticks import linear_ticks, spaced
from harness.report.table.formats import significant
from harness.report.traces.figures.look import label
from harness.trace.answers.over_time import OverTime, Values, over_time
from harness.trace.idle import Device
from harness.trace.looked import Rank

KIND = "trace-over-time"


def draw(pairs: Sequence[tuple[Rank, Device]], headline: Headline) -> tuple[matplotlib.figure.Figure, str]:
    paper = sheet(headline, 2 * len(pairs), (6.4, 0.95), columns=1, gaps=(0.2, 0.42), left=0.85)
    steps = []
    for place, (rank, device) in enumerate(pairs):
        found = over_time(rank, device)
        busy, queue = paper.panels[2 * place : 2 * place + 2]
        # Time is another one for each device: the numbers stand under its own panels.
        queue.lowest = True
        busy.title(label(rank, device))
        _filled(busy, found, 100 * found.busy, 100.0, "busy (%)")
        _filled(queue, found, found.queued, max(float(found.queued.max()), 1.0) * 1.05, "in the\nqueue")
        steps.append(device.span / 1e6 / len(found.ms))
    paper.panels[-1].name_x("ms since the device's first work")
    widths = f"{significant(min(steps))} ms" if len(steps) == 1 else f"{significant(min(steps))} ms or more"
    caption = (
        f"Means over stretches of {widths}. In the queue: pieces of work that the host had launched and the device had "
        "not begun. Where the queue is empty and the device not busy, it waits for the host."
    )
    return paper.figure, caption


def _filled(panel: Panel, found: OverTime, values: Values, top: float, name: str) -> None:
    end = float(found.ms[-1] + found.ms[0])
    panel.x, panel.y = Scale(0.0, max(end, 1e-6)), Scale(0.0, top)
    panel.grid_y([0, 50, 100] if top == 100.0 else linear_ticks(0.0, top))
    ticks = linear_ticks(0.0, panel.x.high)
    panel.grid_x(spaced(ticks, panel.across(ticks).tolist()))
    panel.name_y(name)
    half = found.ms[0]
    steps = [edge for middle in found.ms.tolist() for edge in (middle - half, middle + half)]
    panel.line(steps, values.repeat(2).tolist(), color=INK, linewidth=0.8, linestyle="-", zorder=3)
