"""How busy a device was and how much work stood in its queue, over time.

In: a Rank and one of its devices. Out: values for each of some stretches of equal length. Must not know how they are
drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.trace.idle import Device
from harness.trace.looked import Rank
from harness.trace.spans import Times

MOST_STRETCHES = 300
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OverTime:
    """ms: the middle of each stretch, since the device's first work. busy: share of it; queued: pieces of work that
    were launched and had not begun, in the mean."""

    ms: Values
    busy: Values
    queued: Values


def over_time(rank: Rank, device: Device) -> OverTime:
    stretches = int(min(MOST_STRETCHES, max(device.span // 1000, 1)))
    edges = np.linspace(device.start, device.end, stretches + 1).astype(np.int64)
    lengths = np.maximum(np.diff(edges), 1)
    busy = np.diff(device.busy.until(edges)) / lengths
    work, launched = rank.trace.work, rank.idle.launches.start
    own = (work["device"] == device.number) & (launched >= 0)
    begun = np.maximum(work["start"][own], launched[own])
    queued = np.diff(_passed(launched[own], edges) - _passed(begun, edges)) / lengths
    middles = (edges[:-1] + edges[1:]) / 2 - device.start
    return OverTime(middles / 1e6, busy, queued)


def _passed(times: Times, edges: Times) -> Values:
    """At each edge: the time since each of the times that have been, summed, in ns."""
    ordered = np.sort(times)
    since = ordered - edges[0]
    sums = np.concatenate([[0], np.cumsum(since)]).astype(np.float64)
    past = np.searchsorted(ordered, edges, side="right")
    return np.asarray(past * (edges - edges[0]).astype(np.float64) - sums[past], np.float64)
