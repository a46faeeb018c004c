"""Which work of a device was held back by another stream, as far as a trace records it.

In: a Trace. Out: rows of work. Must not know gaps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

import numpy as np

from harness.trace.launches import Launches
from harness.trace.reading.trace import Trace

_WAIT_CALL = "StreamWaitEvent"


def held_back(trace: Trace, launches: Launches) -> frozenset[int]:
    """Rows of work whose stream was told to wait for an event between the launch of the work before it in that stream
    and its own.

    Traces before torch 2.1 do not say which stream was told: there it is any that has changed, of the thread that told.
    """
    told = _told(trace)
    unnamed = {} if told else _told_by_thread(trace)
    if not told and not unnamed:
        return frozenset()
    work = trace.work
    begun, threads = launches.start.tolist(), launches.thread.tolist()
    last: dict[tuple[int, int], int] = {}
    found: set[int] = set()
    device, stream = (work[name].tolist() for name in ("device", "stream"))
    latest: dict[int, int] = {}
    for row in np.argsort(work["start"], kind="stable").tolist():
        launched, place = begun[row], (device[row], stream[row])
        if launched < 0:
            continue
        before = last.get(place, -1)
        waits = told.get(stream[row], []) if told else unnamed.get(threads[row], [])
        changed = bool(told) or latest.get(device[row], stream[row]) != stream[row]
        at = bisect_left(waits, launched)
        if changed and at > 0 and waits[at - 1] >= before:
            found.add(row)
        last[place] = launched
        latest[device[row]] = stream[row]
    return frozenset(found)


def _told(trace: Trace) -> dict[int, list[int]]:
    """Stream -> when it was told to wait, in order."""
    found: dict[int, list[int]] = defaultdict(list)
    for start, stream in sorted(
        zip(trace.waits["start"].tolist(), trace.waits["stream"].tolist(), strict=True)
    ):
        found[stream].append(start)
    return dict(found)


def _told_by_thread(trace: Trace) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    texts, calls = trace.names.texts, trace.calls
    wanted = [number for number, text in enumerate(texts) if _WAIT_CALL in text]
    for row in np.flatnonzero(np.isin(calls["name"], wanted)).tolist():
        found[int(calls["thread"][row])].append(int(calls["start"][row]))
    return {thread: sorted(times) for thread, times in found.items()}
