"""The idle time of a device, cut into causes that add up to it exactly.

In: a Trace. Out: gaps, each with its parts. Must not know files, nor how any of it is shown. docs/trace.md has the
rules in words.

A gap ends with the first work that begins after it. Until the call that launched that work begins, the device waited
for the host; from there on for the launch, or for what was recorded to hold it back.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from harness.trace.dependencies import held_back
from harness.trace.host import Host
from harness.trace.spans import NOTHING, Spans
from harness.trace.trace import Trace, union

HOST_LATE, IN_FLIGHT, WAITING, SYNCHRONISED, OUTSIDE, UNKNOWN = CAUSES = (
    *("host_late", "in_flight", "waiting", "synchronised", "outside", "unknown"),
)
# What the host did while the device waited for it: parts of host_late.
INTERPRETER, DISPATCH, RUNTIME, COMPILER = HOST_PARTS = ("interpreter", "dispatch", "runtime", "guards")


@dataclass(frozen=True)
class Gap:
    """A stretch in which no stream of a device had work. parts: cause (of CAUSES) -> when; disjoint, and together the
    gap. host: part of host_late (of HOST_PARTS) -> when. ended_by: row of the work that ended it. call: row of the call
    that launched that; None where it is not in the trace."""

    start: int
    end: int
    parts: dict[str, Spans]
    host: dict[str, Spans]
    ended_by: int
    call: int | None

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Device:
    """One device in a window of time. busy: when any of its streams had work."""

    number: int
    start: int
    end: int
    busy: Spans
    gaps: list[Gap]

    @property
    def span(self) -> int:
        return self.end - self.start

    def idle(self, cause: str) -> int:
        return sum(gap.parts[cause].total for gap in self.gaps)

    def host(self, part: str) -> int:
        return sum(gap.host[part].total for gap in self.gaps)


def devices(trace: Trace, window: tuple[int, int] | None = None) -> list[Device]:
    """Each device of the trace, from its first work to its last, or in a window."""
    host, calls = Host(trace), by_correlation(trace)
    held = held_back(trace, calls)
    return [_device(trace, host, calls, held, number, window) for number in trace.devices]


def _device(
    trace: Trace,
    host: Host,
    calls: dict[int, int],
    held: frozenset[int],
    number: int,
    window: tuple[int, int] | None,
) -> Device:
    work = trace.work
    own = np.flatnonzero(work["device"] == number)
    own = own[np.argsort(work["start"][own], kind="stable")]
    starts = work["start"][own].tolist()
    busy = union(work, work["device"] == number)
    first, last = window or (busy.starts[0], busy.ends[-1])
    gaps = []
    for start, end in busy.gaps(first, last):
        at = bisect_left(starts, end)
        # Beyond the last work of the window nothing ends a gap.
        row = int(own[at]) if at < len(own) else None
        gaps.append(_gap(trace, host, calls, held, start, end, row))
    return Device(number, first, last, busy.within(first, last), gaps)


def _gap(
    trace: Trace,
    host: Host,
    calls: dict[int, int],
    held: frozenset[int],
    start: int,
    end: int,
    row: int | None,
) -> Gap:
    parts = dict.fromkeys(CAUSES, NOTHING)
    nobody = dict.fromkeys(HOST_PARTS, NOTHING)
    call = None if row is None else calls.get(int(trace.work["correlation"][row]))
    if row is None or call is None:
        return Gap(
            start, end, {**parts, UNKNOWN: Spans.one(start, end)}, nobody, -1 if row is None else row, None
        )
    launched, thread = int(trace.calls["start"][call]), int(trace.calls["thread"][call])
    turn = min(max(start, launched), end)
    before = Spans.one(start, turn)
    parts[SYNCHRONISED] = before.meet(host.blocked(thread))
    rest = before.without(parts[SYNCHRONISED])
    parts[OUTSIDE] = rest.meet(host.outside)
    parts[HOST_LATE] = rest.without(parts[OUTSIDE])
    parts[WAITING if row in held else IN_FLIGHT] = Spans.one(turn, end)
    return Gap(start, end, parts, _host_parts(host, thread, parts[HOST_LATE]), row, call)


def _host_parts(host: Host, thread: int, late: Spans) -> dict[str, Spans]:
    runtime = late.meet(host.calls(thread))
    rest = late.without(runtime)
    guards = rest.meet(host.guards)
    rest = rest.without(guards)
    dispatch = rest.meet(host.operators)
    return {
        INTERPRETER: rest.without(dispatch),
        DISPATCH: dispatch,
        RUNTIME: runtime,
        COMPILER: guards,
    }


def by_correlation(trace: Trace) -> dict[int, int]:
    """Number of a call -> its row. Of several with one number the first: it began the work."""
    rows: dict[int, int] = {}
    for row, number in enumerate(trace.calls["correlation"].tolist()):
        rows.setdefault(number, row)
    return rows
