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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.trace.idle import Device, Idle
from harness.trace.queued import NONE, Queued, queued
from harness.trace.spans import Times

Factors = Mapping[str, float | npt.NDArray[np.float64]]
# What happens to the host, in this order where it happens at once.
_UNBLOCKED, _LAUNCHES, _BLOCKED = range(3)


class Replay:
    """The work of a rank's devices within their windows. rows: of the trace's work, in the order of their launches."""

    def __init__(self, idle: Idle, devices: list[Device]) -> None:
        self._work = queued(idle, devices)
        self.rows = self._work.rows
        self._blocks = _blocks(idle, self._work)
        self._events = _events(self._work, self._blocks)
        self._stretches = _stretches(idle, self._events.when)

    def spans(self, factors: Factors, *, blocks: bool = True, prompt: bool = False) -> dict[int, int]:
        """Device -> ns from its first work to its last.

        factors: of each kind of host time (harness.trace.host.KINDS), 1 where it is not named; one number, or one for
        each of the rows: for the stretch before its launch. blocks: whether the host waits where it did.
        prompt: whether launched work begins as soon as launched work usually does.
        """
        work, devices = self._work, self._work.device
        if not len(devices):
            return {}
        done = _Done(work, prompt)
        host = float(self._events.when[0])
        opened: dict[int, float] = {}
        last_open = (0, 0.0)
        for when, what, which, past, takes in self._events.each(self._host_time(factors)):
            host += takes
            if what == _BLOCKED:
                opened[which], last_open = host, (when, host)
            elif what == _UNBLOCKED:
                since = opened.pop(which)
                if blocks:
                    host = max(host, self._unblocked(self._blocks[which], since, done.ended))
            else:
                # Beside a thread that is blocked another one launches.
                beside = last_open[1] + when - last_open[0] if opened and blocks else host
                done.run(which, past, max(host, beside))
        ended = np.array(done.ended)
        begun = ended - work.lengths
        found = {}
        for number in np.unique(devices).tolist():
            own = devices == number
            found[number] = round(ended[own].max() - begun[own].min())
        return found

    def _unblocked(self, block: _Block, since: float, ended: list[float]) -> float:
        took = block.end - block.start
        if block.until == NONE:
            return since + took
        until = int(self._work.end[block.until])
        if until > block.start:
            return ended[block.until] + block.end - until
        return max(since + took, ended[block.until])

    def _host_time(self, factors: Factors) -> npt.NDArray[np.float64]:
        """Before each event: since the one before it."""
        found = np.zeros(len(self._events.when))
        for kind, lengths in self._stretches.items():
            factor = factors.get(kind, 1.0)
            found += lengths * (
                factor if isinstance(factor, (int, float)) else self._events.of_next_launch(factor)
            )
        return found


class _Done:
    """When each piece of work would have ended, as far as it has been launched."""

    def __init__(self, work: Queued, prompt: bool) -> None:
        self.ended = [0.0] * len(work.rows)
        # A view gives a number of Python's when it is asked for one; lists of them would take five times the room.
        self._latency = (work.prompt if prompt else work.latency).data
        self._after, self._needs, self._gap = work.after.data, work.needs.data, work.gap.data
        self._known, self._start, self._lengths = work.known.data, work.start.data, work.lengths.data

    def run(self, first: int, past: int, launched: float) -> None:
        """All that one call launches: places from first on, before past."""
        ended, gap = self.ended, self._gap
        for place in range(first, past):
            start = launched + self._latency[place] if self._known[place] else -math.inf
            after, needs = self._after[place], self._needs[place]
            if after != NONE and (ready := ended[after] + gap[place]) > start:
                start = ready
            if needs != NONE and (ready := ended[needs] + gap[place]) > start:
                start = ready
            if start == -math.inf:
                start = self._start[place]
            ended[place] = start + self._lengths[place]


@dataclass(frozen=True)
class _Block:
    """A call that blocked the host. until: the piece of work that had ended last when it returned."""

    start: int
    end: int
    until: int


def _blocks(idle: Idle, work: Queued) -> list[_Block]:
    if not len(work.rows):
        return []
    by_end, issued = np.argsort(work.end, kind="stable"), work.issued
    ends, first, last = work.end[by_end], int(issued.min()), int(issued.max())
    found = []
    for start, end in idle.host.blocks():
        if not first <= start <= last or start == end:  # one of no length holds nothing up
            continue
        at = int(np.searchsorted(ends, end, side="right")) - 1
        # Of what had ended, the last that had been launched before the call.
        while at >= 0 and issued[by_end[at]] > start:
            at -= 1
        found.append(_Block(start, end, int(by_end[at]) if at >= 0 else NONE))
    return found


@dataclass(frozen=True)
class _Events:
    """What happens to the host, in order. when: in the trace. which: the number of the block, or the first piece of
    work that is launched; past: behind the last one."""

    when: Times
    what: Times
    which: Times
    past: Times

    def each(self, takes: npt.NDArray[np.float64]) -> Iterator[tuple[int, int, int, int, float]]:
        """takes: of the host, before each of them."""
        columns = (self.when, self.what, self.which, self.past, takes)
        return zip(*(each.data for each in columns), strict=True)

    def of_next_launch(self, of_rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The value of the row that is launched next, at each event; 1 where nothing is any more."""
        launches = np.flatnonzero(self.what == _LAUNCHES)
        values = np.append(of_rows[self.which[launches]], 1.0)
        return values[np.searchsorted(launches, np.arange(len(self.what)))]


def _events(work: Queued, blocks: list[_Block]) -> _Events:
    """One for all that one call launches, and two for a block."""
    same = work.known[1:] & (np.diff(work.launched) == 0)
    firsts = np.flatnonzero(np.append(True, ~same)[: len(work.rows)])
    numbers, nothing = np.arange(len(blocks)), np.zeros(len(blocks), np.int64)
    starts, ends = (np.array([getattr(each, name) for each in blocks], np.int64) for name in ("start", "end"))
    when = np.concatenate([work.issued[firsts], starts, ends])
    what = np.repeat([_LAUNCHES, _BLOCKED, _UNBLOCKED], [len(firsts), len(blocks), len(blocks)])
    which = np.concatenate([firsts, numbers, numbers])
    past = np.concatenate([firsts[1:], [len(work.rows)][: len(firsts)], nothing, nothing])
    order = np.lexsort((what, when))
    return _Events(*(each[order].astype(np.int64) for each in (when, what, which, past)))


def _stretches(idle: Idle, times: Times) -> dict[str, npt.NDArray[np.float64]]:
    """Kind of host time -> ns of it before each event, since the one before."""
    return {
        kind: np.diff(spans.until(times), prepend=spans.until(times[:1])).astype(float)
        for kind, spans in idle.host.kinds.items()
    }
