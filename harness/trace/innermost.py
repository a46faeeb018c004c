"""Which event of a thread is the innermost at a time: whose name a launch goes by.

In: a Trace. Out: names. Must not know gaps.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from harness.trace.reading.trace import Table, Trace
from harness.trace.spans import Times


class Innermost:
    """Events of a thread lie within each other."""

    def __init__(self, trace: Trace, table: Table) -> None:
        """table: the trace's operators, or its Python functions."""
        self._names = trace.names.texts
        self._threads: dict[int, tuple[list[int], list[int]]] = {}
        for thread in np.unique(table["thread"]).tolist():
            own = table["thread"] == thread
            self._threads[thread] = _flattened(table["start"][own], table["end"][own], table["name"][own])

    def at(self, thread: int, time: int) -> str:
        """Empty where there is none."""
        times, names = self._threads.get(thread, ([], []))
        at = bisect_right(times, time) - 1
        return self._names[names[at]] if at >= 0 and names[at] >= 0 else ""


def _flattened(starts: Times, ends: Times, names: Times) -> tuple[list[int], list[int]]:
    """From when on which name is the innermost; -1 where none is."""
    times: list[int] = []
    inner: list[int] = []
    open_: list[tuple[int, int]] = []

    def close(until: int) -> None:
        while open_ and open_[-1][0] <= until:
            end, _ = open_.pop()
            times.append(end)
            inner.append(open_[-1][1] if open_ else -1)

    order = np.lexsort((-ends, starts))
    for start, end, name in zip(
        starts[order].tolist(), ends[order].tolist(), names[order].tolist(), strict=True
    ):
        close(start)
        times.append(start)
        inner.append(name)
        open_.append((end, name))
    close(2**62)
    return times, inner
