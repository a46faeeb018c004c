"""The idle time of a device, cut into causes that add up to it exactly.

In: a Trace. Out: Devices: their gaps, and when which cause held. Must not know files, nor how any of it is shown.
docs/trace.md has the rules in words.

A gap ends with the first work that begins after it. Until the call that launched that work begins, the device waited
for the host; from there on for the launch, or for what was recorded to hold it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.trace.dependencies import held_back
from harness.trace.host import COMPILER, DISPATCH, HOST_PARTS, INTERPRETER, OUTSIDE, RUNTIME, Host
from harness.trace.launches import launches
from harness.trace.reading.trace import Trace, union
from harness.trace.spans import Spans, Times

HOST_LATE, IN_FLIGHT, WAITING, SYNCHRONISED, UNKNOWN = (
    *("host_late", "in_flight", "waiting", "synchronised", "unknown"),
)
CAUSES = (HOST_LATE, IN_FLIGHT, WAITING, SYNCHRONISED, OUTSIDE, UNKNOWN)


@dataclass(frozen=True)
class Gaps:
    """Stretches in which no stream of a device had work, in order. ended_by: row of the work that ended each; -1 where
    none did. call: row of the call that launched that; -1 where it is not in the trace."""

    starts: Times
    ends: Times
    ended_by: Times
    call: Times

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Times:
        return self.ends - self.starts

    def within(self, start: int, end: int) -> Gaps:
        kept = slice(
            int(np.searchsorted(self.ends, start, side="right")),
            int(np.searchsorted(self.starts, end, side="left")),
        )
        starts, ends = np.maximum(self.starts[kept], start), np.minimum(self.ends[kept], end)
        return Gaps(starts, ends, self.ended_by[kept], self.call[kept])


@dataclass(frozen=True)
class Device:
    """One device in a window of time. busy: when any of its streams had work. causes: cause (of CAUSES) -> when;
    disjoint, and together all of the gaps. host: part of host_late (of HOST_PARTS) -> when."""

    number: int
    start: int
    end: int
    busy: Spans
    gaps: Gaps
    causes: dict[str, Spans]
    host_parts: dict[str, Spans]

    @property
    def span(self) -> int:
        return self.end - self.start

    @property
    def idle_share(self) -> float:
        return 1 - self.busy.total / self.span

    def idle(self, cause: str) -> int:
        return self.causes[cause].total

    def host(self, part: str) -> int:
        return self.host_parts[part].total

    def of_gaps(self, cause: str) -> Times:
        """How long it held in each of the gaps, in ns."""
        spans = self.causes[cause]
        return spans.until(self.gaps.ends) - spans.until(self.gaps.starts)

    def within(self, start: int, end: int) -> Device:
        """A part of the window."""
        causes, parts = (
            {name: spans.within(start, end) for name, spans in each.items()}
            for each in (self.causes, self.host_parts)
        )
        busy = self.busy.within(start, end)
        return Device(self.number, start, end, busy, self.gaps.within(start, end), causes, parts)


class Idle:
    """A trace's devices. held: rows of work that were held back by another stream."""

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
        busy = union(work, work["device"] == number)
        idle = busy.gaps(first, last)
        at = np.searchsorted(work["start"][own], idle.ends)
        # Beyond a device's last work nothing ends a gap.
        ended_by = np.where(at < len(own), own[np.minimum(at, len(own) - 1)], -1)
        call = np.where(ended_by >= 0, self.launches.call[ended_by], -1)
        gaps = Gaps(idle.starts, idle.ends, ended_by, call)
        causes, parts = self._cut(gaps)
        return Device(number, first, last, busy, gaps, causes, parts)

    def _cut(self, gaps: Gaps) -> tuple[dict[str, Spans], dict[str, Spans]]:
        known = gaps.call >= 0
        launched = np.where(known, self.trace.calls["start"][gaps.call] if len(self.trace.calls) else 0, 0)
        turn = np.clip(launched, gaps.starts, gaps.ends)
        held = np.isin(gaps.ended_by, np.fromiter(self.held, np.int64, len(self.held)))
        causes = {
            UNKNOWN: Spans.of(gaps.starts[~known], gaps.ends[~known]),
            WAITING: Spans.of(turn[known & held], gaps.ends[known & held]),
            IN_FLIGHT: Spans.of(turn[known & ~held], gaps.ends[known & ~held]),
        }
        before = list(self._before_launches(gaps, turn, known))
        for cause in (SYNCHRONISED, OUTSIDE, HOST_LATE):
            causes[cause] = Spans.joined(each[cause] for each in before)
        parts = {part: Spans.joined(each[part] for each in before) for part in HOST_PARTS}
        return {cause: causes[cause] for cause in CAUSES}, parts

    def _before_launches(
        self, gaps: Gaps, turn: Times, known: npt.NDArray[np.bool_]
    ) -> Iterator[dict[str, Spans]]:
        """For each thread that launched: what held before its launches, and what the host did in its lateness."""
        host = self.host
        threads = np.where(known, self.trace.calls["thread"][gaps.call] if len(self.trace.calls) else 0, -1)
        for thread in np.unique(threads[known]).tolist():
            own = threads == thread
            before = Spans.of(gaps.starts[own], turn[own])
            synchronised = before.meet(host.blocked(thread))
            rest = before.without(synchronised)
            outside = rest.meet(host.outside)
            late = rest.without(outside)
            runtime = late.meet(host.calls(thread))
            rest = late.without(runtime)
            guards = rest.meet(host.guards)
            rest = rest.without(guards)
            dispatch = rest.meet(host.operators)
            yield {
                **{SYNCHRONISED: synchronised, OUTSIDE: outside, HOST_LATE: late},
                **{RUNTIME: runtime, COMPILER: guards, DISPATCH: dispatch},
                INTERPRETER: rest.without(dispatch),
            }
