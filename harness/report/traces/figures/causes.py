"""The whole time of each device, stacked: busy, and idle by cause.

In: devices of ranks. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.figure
from matplotlib.patches import Patch

from harness.report.figures.drawing.bar_rows import row_name
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import LETTER, Headline, sheet
from harness.report.figures.drawing.style import FRAME
from harness.report.table.formats import percent
from harness.report.traces.figures.look import BUSY, COLLECTIVE, COLOURS, WORDS, label
from harness.trace.idle import CAUSES, Device
from harness.trace.looked import Rank

KIND = "trace-causes"
MOST_ROWS = 40
# What is less than a line wide is not in the legend.
LEAST = 0.001
HALF_BAR = 0.1  # inches


def draw(pairs: Sequence[tuple[Rank, Device]], headline: Headline) -> tuple[matplotlib.figure.Figure, str]:
    shown = list(pairs)
    if len(shown) > MOST_ROWS:
        shown = sorted(shown, key=lambda pair: -pair[1].idle_share)[:MOST_ROWS]
    names = [label(*pair) for pair in shown]
    parts = [_parts(*pair) for pair in shown]
    present = {name for each in parts for name, share, _ in each if share >= LEAST}
    looks = {name: look for each in parts for name, _, look in each if name in present}
    handles = [Patch(label=name, **look) for name, look in looks.items()]
    left = max(len(name) for name in names) * LETTER + 0.25
    paper = sheet(
        headline, 1, (5.2, 0.3 * len(shown) + 0.15), left=left, right=0.9, below=0.5, handles=handles
    )
    panel = paper.panels[0]
    panel.x, panel.y = Scale(0, 100), Scale(len(shown) - 0.4, -0.6)
    panel.grid_x([0, 20, 40, 60, 80, 100])
    for place, (name, pair) in enumerate(zip(names, shown, strict=True)):
        y = float(panel.up([place])[0])
        row_name(panel, y, name)
        _bar(panel, y, parts[place])
        panel.text(
            panel.left + panel.width + 0.07, y, f"idle {percent(pair[1].idle_share)}", ha="left", va="center"
        )
    paper.name_axes("share of the time (%)", "")
    caption = (
        "Each bar is the time from a device's first work to its last. Busy is the union over its streams; the rest is "
        "idle, cut by what the work that ended each gap had been waiting for (docs/trace.md)."
    )
    if len(shown) < len(pairs):
        caption += f" Drawn: the {len(shown)} of {len(pairs)} devices that were idle longest."
    return paper.figure, caption


def _parts(rank: Rank, device: Device) -> list[tuple[str, float, dict[str, Any]]]:
    """Name, share of the span, look; from the left."""
    busy = device.busy.total
    # Several collectives at a time may wait, each of which counts.
    waited = min(
        sum(wait.within(device.start, device.end) for wait in rank.waits.get(device.number, [])), busy
    )
    own = {"edgecolor": FRAME, "linewidth": 0.4}
    found = [
        ("busy", (busy - waited) / device.span, {"facecolor": BUSY, **own}),
        ("in a collective, waiting for another rank", waited / device.span, {"facecolor": COLLECTIVE, **own}),
    ]
    for cause in CAUSES:
        found.append((WORDS[cause], device.idle(cause) / device.span, {"facecolor": COLOURS[cause], **own}))
    return found


def _bar(panel: Panel, y: float, parts: list[tuple[str, float, dict[str, Any]]]) -> None:
    at = panel.left
    for _, share, look in parts:
        width = share * panel.width
        if width > 0:
            panel.rectangle(at, y - HALF_BAR, width, 2 * HALF_BAR, zorder=2, **look)
        at += width
