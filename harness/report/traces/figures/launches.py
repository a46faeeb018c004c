"""Each kernel's length against the time that the host took to launch the next one.

In: devices of ranks. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.figure
import numpy as np

from harness.report.figures.drawing.panel import Scale
from harness.report.figures.drawing.sheet import Headline, sheet
from harness.report.figures.drawing.style import ALARM, INK
from harness.report.figures.drawing.ticks import log_ticks
from harness.report.table.formats import percent
from harness.report.traces.figures.look import label
from harness.trace.idle import Device
from harness.trace.launches import intervals
from harness.trace.looked import Rank

KIND = "trace-launches"
# More could not be told apart, and every one is a shape in the page.
MOST_DOTS = 2000


def drawable(rank: Rank, device: Device) -> bool:
    return len(intervals(rank.trace, rank.idle.launches, device.number)[0]) > 1


def draw(pairs: Sequence[tuple[Rank, Device]], headline: Headline) -> tuple[matplotlib.figure.Figure, str]:
    found = [intervals(rank.trace, rank.idle.launches, device.number) for rank, device in pairs]
    values = np.concatenate([np.concatenate(each) for each in found]) / 1000
    values = values[values > 0]
    low, high = float(values.min()) / 1.5, float(values.max()) * 1.5
    paper = sheet(headline, len(pairs), (3.0, 3.0), columns=2, gaps=(0.45, 0.55), below=0.55)
    shares = []
    for (rank, device), panel, (lengths, next_) in zip(pairs, paper.panels, found, strict=True):
        panel.x = panel.y = Scale(low, high, logarithmic=True)
        ticks = log_ticks(low, high)
        panel.grid_x(ticks)
        panel.grid_y(ticks)
        panel.title(label(rank, device))
        panel.line([low, high], [low, high], color=ALARM, linewidth=1.0, linestyle="--", zorder=3)
        good = (lengths > 0) & (next_ > 0)
        xs, ys = lengths[good] / 1000, next_[good] / 1000
        every = max(1, len(xs) // MOST_DOTS)
        panel.line(
            *(xs[::every], ys[::every]),
            linestyle="none",
            marker=".",
            markersize=2.2,
            color=INK,
            alpha=0.35,
            zorder=2,
        )
        shares.append(float((ys > xs).mean()))
    paper.name_axes("length of a kernel (µs)", "until the next launch (µs)")
    above = ", ".join(percent(share) for share in shares)
    caption = (
        "A dot a kernel: how long it ran, and how long after its launch the host began to launch the next one for that "
        f"device. Above the dashed line ({above} of the kernels) the host took longer than the kernel: it cannot keep "
        "the device busy there."
    )
    return paper.figure, caption
