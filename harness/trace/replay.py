"""What a trace's devices would have done with another host: the same work, launched at other times.

In: a rank's trace, and how long each kind of host time is to last. Out: when each device would have been done. Must not
know what changes are asked about.

Work begins when it has been launched, when the work before it in its stream has ended, and when what it was recorded to
wait for has; how long after the last of these is taken from the trace. The host goes through its launches in their
order, whichever threads they are of; where it was blocked until some work had ended, it is again. With nothing changed
this gives the trace itself.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.trace.idle import Device, Idle
from harness.trace.spans import Times

# What happens to the host, in this order where it happens at once.
_UNBLOCKED, _LAUNCHES, _BLOCKED = range(3)
_NONE = -1


@dataclass(slots=True)
class _Work:
    """One piece of work. launched: None where it is not known. after, needs: pieces before it in its stream, and in
    another one that it was held back by. latency, gap: how long after its launch, and after those, it could begin.
    prompt: the latency where nothing unusual was in the way of a launch."""

    start: int
    end: int
    device: int
    launched: int | None
    after: int = _NONE
    needs: int = _NONE
    latency: int = 0
    prompt: int = 0
    gap: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    """when: in the trace. which: the number of the block, or the first piece of work that is launched; past: behind the
    last one."""

    when: int
    what: int
    which: int
    past: int = 0


class Replay:
    """The work of a rank's devices within their windows. rows: of the trace's work, in the order of their launches."""

    def __init__(self, idle: Idle, devices: list[Device]) -> None:
        self.rows = _rows(idle, devices)
        self._devices = idle.trace.work["device"][self.rows]
        self._works = _works(idle, self.rows)
        self._blocks = _blocks(idle, self._works)
        self._events = _events(self._works, self._blocks)
        self._stretches = _stretches(idle, self._events)

    def spans(
        self,
        factors: Mapping[str, float | npt.NDArray[np.float64]],
        *,
        blocks: bool = True,
        prompt: bool = False,
    ) -> dict[int, int]:
        """Device -> ns from its first work to its last.

        factors: of each kind of host time (harness.trace.host.KINDS), 1 where it is not named; one number, or one for
        each of the rows: for the stretch before its launch. blocks: whether the host waits where it did.
        prompt: whether launched work begins as soon as launched work usually does.
        """
        works = self._works
        begun, ended = [0.0] * len(works), [0.0] * len(works)
        stretch = self._host_time(factors)
        host = float(self._events[0].when) if works else 0.0
        opened: dict[int, float] = {}
        last_open = (0, 0.0)
        for event, takes in zip(self._events, stretch, strict=True):
            host += takes
            if event.what == _BLOCKED:
                opened[event.which], last_open = host, (event.when, host)
            elif event.what == _UNBLOCKED:
                since = opened.pop(event.which)
                if blocks:
                    host = max(host, self._unblocked(event, since, ended))
            else:
                # Beside a thread that is blocked another one launches.
                beside = last_open[1] + event.when - last_open[0] if opened and blocks else host
                self._run(event, max(host, beside), begun, ended, prompt)
        starts, ends = np.array(begun), np.array(ended)
        found = {}
        for number in np.unique(self._devices).tolist():
            own = self._devices == number
            found[number] = round(ends[own].max() - starts[own].min())
        return found

    def _run(
        self, event: _Event, launched: float, begun: list[float], ended: list[float], prompt: bool
    ) -> None:
        """All that one call launches."""
        for place in range(event.which, event.past):
            work = self._works[place]
            start = (
                -math.inf if work.launched is None else launched + (work.prompt if prompt else work.latency)
            )
            if work.after >= 0 and (ready := ended[work.after] + work.gap) > start:
                start = ready
            if work.needs >= 0 and (ready := ended[work.needs] + work.gap) > start:
                start = ready
            if start == -math.inf:
                start = work.start
            begun[place] = start
            ended[place] = start + work.end - work.start

    def _unblocked(self, event: _Event, since: float, ended: list[float]) -> float:
        block = self._blocks[event.which]
        took = block.end - block.start
        if block.until == _NONE:
            return since + took
        until = self._works[block.until]
        if until.end > block.start:
            return ended[block.until] + block.end - until.end
        return max(since + took, ended[block.until])

    def _host_time(self, factors: Mapping[str, float | npt.NDArray[np.float64]]) -> list[float]:
        """Before each event: since the one before it."""
        found = np.zeros(len(self._events))
        for kind, lengths in self._stretches.items():
            factor = factors.get(kind, 1.0)
            found += lengths * (factor if isinstance(factor, (int, float)) else self._of_events(factor))
        return found.tolist()

    def _of_events(self, of_rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """A row's value for all events from the launch before it on."""
        found, value = np.ones(len(self._events)), 1.0
        for place in range(len(self._events) - 1, -1, -1):
            event = self._events[place]
            if event.what == _LAUNCHES:
                value = float(of_rows[event.which])
            found[place] = value
        return found


@dataclass(frozen=True)
class _Block:
    """A call that blocked the host. until: the piece of work that had ended last when it returned."""

    start: int
    end: int
    until: int


def _rows(idle: Idle, devices: list[Device]) -> Times:
    work, launched = idle.trace.work, idle.launches.start
    wanted = np.zeros(len(work), bool)
    for device in devices:
        inside = (work["start"] >= device.start) & (work["start"] < device.end)
        wanted |= (work["device"] == device.number) & inside
    rows = np.flatnonzero(wanted)
    when = np.where(launched[rows] >= 0, launched[rows], work["start"][rows])
    return rows[np.lexsort((work["start"][rows], when))]


def _works(idle: Idle, rows: Times) -> list[_Work]:
    trace = idle.trace
    columns = (trace.work[name][rows].tolist() for name in ("start", "end", "device", "stream"))
    launched = [when if when >= 0 else None for when in idle.launches.start[rows].tolist()]
    works: list[_Work] = []
    last: dict[tuple[int, int], int] = {}
    for place, (start, end, device, stream, when) in enumerate(zip(*columns, launched, strict=True)):
        works.append(_Work(start, end, device, when, last.get((device, stream), _NONE)))
        last[device, stream] = place
    by_end = sorted(range(len(works)), key=lambda place: works[place].end)
    ends = [works[place].end for place in by_end]
    for place, row in enumerate(rows.tolist()):
        if row in idle.held:
            at = bisect_right(ends, works[place].start) - 1
            if at >= 0 and by_end[at] < place:
                works[place].needs = by_end[at]
    _fit(works)
    return works


def _fit(works: list[_Work]) -> None:
    """How long after a launch, or after what was before it, work began: as it was where that is what it began after, as
    it usually is elsewhere."""
    late: list[int] = []
    close: list[int] = []
    for work in works:
        before = _before(works, work)
        if work.launched is not None and (before is None or work.launched >= before):
            late.append(work.start - work.launched)
        elif before is not None:
            close.append(work.start - before)
    usual, next_ = (int(np.median(values)) if values else 0 for values in (late, close))
    for work in works:
        before = _before(works, work)
        own = None if before is None else work.start - before
        if work.launched is not None and (before is None or work.launched >= before):
            work.latency = work.start - work.launched
            work.gap = next_ if own is None else min(next_, own)
        else:
            work.latency = 0 if work.launched is None else min(usual, work.start - work.launched)
            work.gap = own or 0
        work.prompt = min(usual, work.latency)


def _before(works: list[_Work], work: _Work) -> int | None:
    """When the work before a piece of work had ended."""
    ends = [works[place].end for place in (work.after, work.needs) if place != _NONE]
    return max(ends, default=None)


def _blocks(idle: Idle, works: list[_Work]) -> list[_Block]:
    by_end = sorted(range(len(works)), key=lambda place: works[place].end)
    ends = [works[place].end for place in by_end]
    first, last = _host_window(works)
    found = []
    for start, end in idle.host.blocks():
        if not first <= start <= last or start == end:  # one of no length holds nothing up
            continue
        at = bisect_right(ends, end) - 1
        # Of what had ended, the last that had been launched before the call.
        while at >= 0 and (works[by_end[at]].launched or works[by_end[at]].start) > start:
            at -= 1
        found.append(_Block(start, end, by_end[at] if at >= 0 else _NONE))
    return found


def _host_window(works: list[_Work]) -> tuple[int, int]:
    times = [work.start if work.launched is None else work.launched for work in works]
    return min(times, default=0), max(times, default=-1)


def _events(works: list[_Work], blocks: list[_Block]) -> list[_Event]:
    firsts = [
        place
        for place, work in enumerate(works)
        if not place or work.launched is None or work.launched != works[place - 1].launched
    ]
    found = []
    for first, past in zip(firsts, [*firsts[1:], len(works)], strict=True):
        launched = works[first].launched
        found.append(_Event(works[first].start if launched is None else launched, _LAUNCHES, first, past))
    for number, block in enumerate(blocks):
        found += [_Event(block.start, _BLOCKED, number), _Event(block.end, _UNBLOCKED, number)]
    return sorted(found, key=lambda event: (event.when, event.what))


def _stretches(idle: Idle, events: list[_Event]) -> dict[str, npt.NDArray[np.float64]]:
    """Kind of host time -> ns of it before each event, since the one before."""
    times = np.array([event.when for event in events], np.int64)
    return {
        kind: np.diff(spans.until(times), prepend=spans.until(times[:1])).astype(float)
        for kind, spans in idle.host.kinds.items()
    }
