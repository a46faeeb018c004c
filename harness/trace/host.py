"""What the host's threads did at any time: blocked, calling the runtime, in an operator, in a data loader, between.

In: a Trace. Out: Spans by kind. Must not know what a device was doing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.trace.launches import launches
from harness.trace.reading.trace import Table, Trace, union
from harness.trace.spans import NOTHING, Spans, Times

# What the host does that a device waits for, and OUTSIDE.
INTERPRETER, DISPATCH, RUNTIME, COMPILER = HOST_PARTS = ("interpreter", "dispatch", "runtime", "guards")
OUTSIDE = "outside"
KINDS = (*HOST_PARTS, OUTSIDE)
# Calls that return when the device has come so far, or that take the runtime's lock until it has.
BLOCKING = re.compile(
    r"(?:cuda|hip|cu)(?:Device|Stream|Event|Ctx)Synchronize(?:_\w+)?$|"
    r"(?:cuda|hip)(?:Malloc|Free|HostAlloc|HostFree|FreeHost|MallocHost|HostMalloc|HostRegister|HostUnregister)(?:_\w+)?$|"
    r"cuMem(?:Alloc|Free)\w*$|(?:cuda|hip)Memcpy(?:2D|3D|ToSymbol|FromSymbol|WithStream)?(?:_\w+)?$"
)
# Launches that a device's queue holds (1,024 of CUDA's today, less what is on its way), and by how much longer than the
# median a launch takes that waits for room there.
FULL_QUEUE, UNUSUAL = 900, 3
COPYING = re.compile(r"Memcpy\w*Async")
# What a compiler does at each call before it may run what it has compiled.
GUARDS = re.compile(
    r"TorchDynamo Cache Lookup|Pregraph bytecode|AOTDispatcher.*Runtime Wrapper|guard", re.IGNORECASE
)


@dataclass
class Host:
    """thread: by number. Spans of a thread are those of its events."""

    trace: Trace
    _blocked: dict[int, Spans] = field(default_factory=dict)
    _calls: dict[int, Spans] = field(default_factory=dict)

    @cached_property
    def operators(self) -> Spans:
        """When any thread was within an operator: work that one thread waits for is another one's."""
        return union(self.trace.operators)

    @cached_property
    def guards(self) -> Spans:
        return _named(self.trace.operators, self.trace, GUARDS)

    @cached_property
    def loader(self) -> Spans:
        return union(self.trace.loader)

    @cached_property
    def steps(self) -> Spans:
        """Nothing where no step is marked."""
        times = np.array(list(self.trace.steps.values()), np.int64).reshape(-1, 2)
        return Spans.of(times[:, 0], times[:, 1])

    @cached_property
    def outside(self) -> Spans:
        """Within a data loader; and, where steps are marked, beyond all steps and operators."""
        if not self.steps:
            return self.loader
        first, last = self._ends
        beyond = self.steps.gaps(first, last).without(self.operators)
        return Spans.joined([beyond, self.loader])

    @cached_property
    def kinds(self) -> dict[str, Spans]:
        """The whole time of the host that it was not blocked, by what it did (KINDS); disjoint."""
        if not len(self.trace.calls) and not len(self.trace.operators):
            return dict.fromkeys(KINDS, NOTHING)
        blocked = union(self.trace.calls, self._blocking)
        rest = Spans.one(*self._ends).without(blocked)
        found = {}
        for kind, spans in (
            *((OUTSIDE, self.outside), (RUNTIME, union(self.trace.calls, ~self._blocking))),
            *((COMPILER, self.guards), (DISPATCH, self.operators)),
        ):
            found[kind] = rest.meet(spans)
            rest = rest.without(spans)
        return {**found, INTERPRETER: rest}

    @cached_property
    def blocking_rows(self) -> Times:
        """Calls that waited for the device, in order of time."""
        rows = np.flatnonzero(self._blocking)
        return rows[np.argsort(self.trace.calls["start"][rows], kind="stable")]

    def blocks(self) -> list[tuple[int, int]]:
        """When each of them began and ended."""
        calls, rows = self.trace.calls, self.blocking_rows
        return list(zip(calls["start"][rows].tolist(), calls["end"][rows].tolist(), strict=True))

    @property
    def _ends(self) -> tuple[int, int]:
        """Of the whole trace."""
        tables = [each for each in (self.trace.work, self.trace.calls, self.trace.operators) if len(each)]
        return min(int(each["start"].min()) for each in tables), max(
            int(each["end"].max()) for each in tables
        )

    @cached_property
    def issuing(self) -> Spans:
        """The host's time but for what it was blocked or outside."""
        return Spans.joined(self.kinds[kind] for kind in HOST_PARTS)

    @cached_property
    def _blocking(self) -> npt.NDArray[np.bool_]:
        """Of each call."""
        calls, texts = self.trace.calls, self.trace.names.texts
        known = np.unique(calls["name"]).tolist()
        found = np.isin(calls["name"], [name for name in known if BLOCKING.search(texts[name])])
        copies = np.isin(calls["name"], [name for name in known if COPYING.search(texts[name])])
        # To and from memory that is not pinned it returns when the copy is done.
        found |= copies & (calls["end"] >= self._ends_of_work)
        return found | self._into_full_queue()

    def _into_full_queue(self) -> npt.NDArray[np.bool_]:
        """Of each call: whether it had to wait until the device had taken something from its queue."""
        calls, launched = self.trace.calls, launches(self.trace)
        known = launched.call >= 0
        found = np.zeros(len(calls), bool)
        for device in self.trace.devices:
            own = known & (self.trace.work["device"] == device)
            rows = np.unique(launched.call[own])
            if not len(rows):
                continue
            times = calls["start"][rows]
            queued = np.searchsorted(np.sort(launched.start[own]), times) - np.searchsorted(
                np.sort(self.trace.work["start"][own]), times
            )
            lengths = calls["end"][rows] - times
            found[rows[(queued >= FULL_QUEUE) & (lengths > UNUSUAL * np.median(lengths))]] = True
        return found

    @cached_property
    def _ends_of_work(self) -> Times:
        """Of each call: when what it has launched had ended; a time beyond all where it has launched nothing."""
        calls, work = self.trace.calls, self.trace.work
        found = np.full(len(calls), 2**62, np.int64)
        if len(work) and len(calls):
            ends = dict(zip(work["correlation"].tolist(), work["end"].tolist(), strict=True))
            ends.pop(-1, None)  # of those without a number
            found[:] = [ends.get(number, 2**62) for number in calls["correlation"].tolist()]
        return found

    def blocked(self, thread: int) -> Spans:
        """When a thread was in a call that waits for the device."""
        return self._of(self._blocked, thread, blocking=True)

    def calls(self, thread: int) -> Spans:
        """When a thread was in any other call of the runtime."""
        return self._of(self._calls, thread, blocking=False)

    def _of(self, kept: dict[int, Spans], thread: int, *, blocking: bool) -> Spans:
        if thread not in kept:
            calls = self.trace.calls
            wanted = (calls["thread"] == thread) & (self._blocking == blocking)
            kept[thread] = union(calls, wanted) if len(calls) else NOTHING
        return kept[thread]


def _named(table: Table, trace: Trace, pattern: re.Pattern[str]) -> Spans:
    if not len(table):
        return NOTHING
    wanted = {name for name, text in enumerate(trace.names.texts) if pattern.search(text)}
    return union(table, np.isin(table["name"], sorted(wanted)))
