"""Which event of a thread is the innermost at a time: whose name a launch goes by.

In: a Trace. Out: names. Must not know gaps.
"""

from __future__ import annotations

import numpy as np

from harness.trace.reading.trace import Table, Trace
from harness.trace.spans import Times


def innermost(trace: Trace, table: Table) -> list[str]:
    """Of each call of the runtime: the name of the innermost event around it; empty where there is none, and once more
    at the end, for a call that is not known (row -1). Events of a thread lie within each other.

    table: the trace's operators, or its Python functions.
    """
    texts, calls = [*trace.names.texts, ""], trace.calls
    found = np.full(len(calls) + 1, -1, np.int64)
    for thread in np.unique(table["thread"]).tolist():
        own, of_calls = table["thread"] == thread, np.flatnonzero(calls["thread"] == thread)
        times, names = _flattened(table["start"][own], table["end"][own], table["name"][own])
        at = np.searchsorted(np.array(times), calls["start"][of_calls], side="right") - 1
        found[of_calls] = np.where(at >= 0, np.array(names)[at], -1)
    return [texts[name] for name in found.tolist()]


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
