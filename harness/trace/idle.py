"""The idle time of a device, cut into causes that add up to it exactly.

In: a Trace. Out: gaps, each with its parts. Must not know files, nor how any of it is shown. docs/trace.md has the
rules in words.

A gap ends with the first work that begins after it. Until the call that launched that work begins, the device waited
for the host; from there on for the launch, or for what was recorded to hold it back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

import numpy as np

from harness.trace.dependencies import held_back
from harness.trace.host import COMPILER, DISPATCH, HOST_PARTS, INTERPRETER, OUTSIDE, RUNTIME, Host
from harness.trace.launches import launches
from harness.trace.reading.trace import Trace, union
from harness.trace.spans import NOTHING, Spans

HOST_LATE, IN_FLIGHT, WAITING, SYNCHRONISED, UNKNOWN = (
    *("host_late", "in_flight", "waiting", "synchronised", "unknown"),
)
CAUSES = (HOST_LATE, IN_FLIGHT, WAITING, SYNCHRONISED, OUTSIDE, UNKNOWN)


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

    def within(self, start: int, end: int) -> Gap:
        """The part of it in [start, end), which it reaches into."""
        if start <= self.start and self.end <= end:
            return self
        return replace(
            self,
            start=max(self.start, start),
            end=min(self.end, end),
            parts={cause: part.within(start, end) for cause, part in self.parts.items()},
            host={name: part.within(start, end) for name, part in self.host.items()},
        )


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

    def within(self, start: int, end: int) -> Device:
        """A part of the window."""
        first = bisect_right(self.gaps, start, key=lambda gap: gap.end)
        past = bisect_left(self.gaps, end, key=lambda gap: gap.start)
        gaps = [gap.within(start, end) for gap in self.gaps[first:past]]
        return Device(self.number, start, end, self.busy.within(start, end), gaps)


class Idle:
    """The gaps of a trace's devices, each looked at once. held: rows of work that were held back by another stream."""

    def __init__(self, trace: Trace) -> None:
        self.trace, self.host, self.launches = trace, Host(trace), launches(trace)
        self.held = held_back(trace, self.launches)

    def devices(self) -> list[Device]:
        """Each device, from the first work of any to the last: a part is had by Device.within."""
        work = self.trace.work
        if not len(work):
            return []
        first, last = int(work["start"].min()), int(work["end"].max())
        return [self._device(number, first, last) for number in self.trace.devices]

    def _device(self, number: int, first: int, last: int) -> Device:
        work = self.trace.work
        own = np.flatnonzero(work["device"] == number)
        own = own[np.argsort(work["start"][own], kind="stable")]
        starts = work["start"][own].tolist()
        busy = union(work, work["device"] == number)
        gaps = []
        for start, end in busy.gaps(first, last):
            at = bisect_left(starts, end)
            # Beyond a device's last work nothing ends a gap.
            gaps.append(self._gap(start, end, int(own[at]) if at < len(own) else None))
        return Device(number, first, last, busy, gaps)

    def _gap(self, start: int, end: int, row: int | None) -> Gap:
        trace, host = self.trace, self.host
        parts = dict.fromkeys(CAUSES, NOTHING)
        call = -1 if row is None else int(self.launches.call[row])
        if row is None or call < 0:
            parts[UNKNOWN] = Spans.one(start, end)
            return Gap(
                start, end, parts, dict.fromkeys(HOST_PARTS, NOTHING), -1 if row is None else row, None
            )
        launched, thread = int(trace.calls["start"][call]), int(trace.calls["thread"][call])
        turn = min(max(start, launched), end)
        before = Spans.one(start, turn)
        parts[SYNCHRONISED] = before.meet(host.blocked(thread))
        rest = before.without(parts[SYNCHRONISED])
        parts[OUTSIDE] = rest.meet(host.outside)
        parts[HOST_LATE] = rest.without(parts[OUTSIDE])
        parts[WAITING if row in self.held else IN_FLIGHT] = Spans.one(turn, end)
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
