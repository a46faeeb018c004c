"""All figures on traces.

In: ranks that were looked at. Out: for each figure its kind, its file's name, its headline and what draws it. Must not
know the page that shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import matplotlib.figure

from harness.report.figures.drawing.sheet import Headline
from harness.report.table.formats import count, listed, one_line
from harness.report.traces.figures import causes, launches, over_time
from harness.trace.idle import Device
from harness.trace.looked import Rank

Drawing = Callable[[], tuple[matplotlib.figure.Figure, str]]
# Panels of a figure that has one for each device; of more, those that were idle longest.
MOST_PANELS = 4


def figures_of(ranks: Sequence[Rank]) -> Iterator[tuple[str, str, Headline, Drawing]]:
    of_devices = [(rank, device) for rank in ranks for device in rank.whole]
    if not of_devices:
        return
    yield _figure(
        causes.KIND, "What the devices did, and what they waited for", causes, of_devices, of_devices
    )
    shown = sorted(of_devices, key=lambda pair: -pair[1].idle_share)[:MOST_PANELS]
    yield _figure(over_time.KIND, "Utilisation and work in the queue over time", over_time, shown, of_devices)
    if drawable := [pair for pair in shown if launches.drawable(*pair)]:
        yield _figure(
            *(launches.KIND, "Do kernels outlast what it takes to launch the next?", launches),
            *(drawable, of_devices),
        )


def _figure(
    kind: str,
    title: str,
    module: object,
    shown: list[tuple[Rank, Device]],
    of_all: list[tuple[Rank, Device]],
) -> tuple[str, str, Headline, Drawing]:
    left_out = "" if len(shown) == len(of_all) else f" of {len(of_all)}, those that were idle longest"
    headline = Headline(title, _devices(shown) + left_out)
    return kind, kind, headline, lambda: module.draw(shown, headline)  # type: ignore[attr-defined]


def _devices(shown: Sequence[tuple[Rank, Device]]) -> str:
    names = dict.fromkeys(
        one_line(rank.trace.device_names.get(device.number, "unnamed device"), 60) for rank, device in shown
    )
    return f"{listed(names)}; {count(len(shown), 'device')}"
