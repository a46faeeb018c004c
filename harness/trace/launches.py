"""Which call launched which work, and what a launch costs this host.

In: a Trace. Out: a call's row and time for each row of work. Must not know gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.trace.reading.trace import KERNEL, Trace
from harness.trace.spans import Times


@dataclass(frozen=True)
class Launches:
    """Row by row of a trace's work; -1 where the launch is not in the trace. call: row of the call. start, thread: when
    it began, and where."""

    call: Times
    start: Times
    thread: Times


def launches(trace: Trace) -> Launches:
    """By number. Of several calls with one number the first: it began the work."""
    numbers, wanted = trace.calls["correlation"], trace.work["correlation"]
    if not len(numbers) or not len(wanted):
        nothing = np.full(len(wanted), -1, np.int64)
        return Launches(nothing, nothing, nothing)
    known, first = np.unique(numbers, return_index=True)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    call = np.where((known[at] == wanted) & (wanted >= 0), first[at], -1)
    start, thread = (np.where(call >= 0, trace.calls[name][call], -1) for name in ("start", "thread"))
    return Launches(call, start, thread)


def launch_cost(trace: Trace, call: Times) -> float:
    """ns that a call which launches a kernel takes in the median; NaN without one. call: rows, -1 left out."""
    rows = np.unique(call[call >= 0])
    if not len(rows):
        return float("nan")
    return float(np.median(trace.calls["end"][rows] - trace.calls["start"][rows]))


def intervals(trace: Trace, found: Launches, device: int) -> tuple[Times, Times]:
    """Of each kernel of a device but the last: its length, and the time from its launch to that of the next, in ns."""
    own = np.flatnonzero(
        (trace.work["device"] == device) & (trace.work["kind"] == KERNEL) & (found.call >= 0)
    )
    order = own[np.lexsort((trace.work["start"][own], found.start[own]))]
    lengths = (trace.work["end"] - trace.work["start"])[order]
    return lengths[:-1], np.diff(found.start[order])
