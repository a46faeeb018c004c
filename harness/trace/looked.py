"""A rank's trace, looked at: its devices as a whole, and in each of its steps.

In: a Trace. Out: a Rank. Must not know how any of it is written down.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from harness.trace.idle import HOST_LATE, Device, Idle
from harness.trace.innermost import innermost
from harness.trace.reading.trace import Trace
from harness.trace.spans import Times


@dataclass
class Rank:
    """whole: each of its devices from its first work to its last, or in the steps that were asked for. steps: (number,
    device in that step), of traces that mark steps; device by device. waits: device -> when a collective of it waited
    for another rank, where the traces of others are there too (harness.trace.together). node_devices: ranks a node, as
    far as it is known."""

    trace: Trace
    idle: Idle
    whole: list[Device]
    steps: list[tuple[int, Device]]
    waits: dict[int, list[Wait]] = field(default_factory=dict)
    node_devices: int | None = None

    @property
    def label(self) -> str:
        """By which it goes in figures and sentences; with its node, where the job has several."""
        if self.trace.rank is None:
            return self.trace.path.name
        several = self.node_devices is not None and (self.trace.ranks or 0) > self.node_devices
        node = f" (node {self.trace.rank // self.node_devices})" if several and self.node_devices else ""
        return f"rank {self.trace.rank}{node}"

    def steps_of(self, device: Device) -> list[tuple[int, Device]]:
        return [(number, each) for number, each in self.steps if each.number == device.number]

    @cached_property
    def operators(self) -> list[str]:
        """Within which a call was made, by its row; "" for row -1."""
        return innermost(self.trace, self.trace.operators)

    @cached_property
    def python(self) -> list[str]:
        return innermost(self.trace, self.trace.python)

    def costly(self, names: list[str], most: int = 10) -> list[tuple[str, int, int]]:
        """What cost the devices most idle time by keeping the host late: (name, ns, gaps). names: of each call."""
        time: Counter[str] = Counter()
        count: Counter[str] = Counter()
        for device in self.whole:
            for call, late in zip(device.gaps.call.tolist(), device.of_gaps(HOST_LATE).tolist(), strict=True):
                if late and (name := names[call]):
                    time[name] += late
                    count[name] += 1
        return [(name, ns, count[name]) for name, ns in time.most_common(most)]


@dataclass(frozen=True)
class Wait:
    """A part of a device's busy time, in ns: until the last rank began the collective. straggler: that rank. by_host:
    how much of it the straggler's device was itself idle for its host."""

    start: int
    end: int
    straggler: int
    by_host: int

    def within(self, start: int, end: int) -> int:
        """ns of it in [start, end)."""
        return max(0, min(self.end, end) - max(self.start, start))


def looked_at(trace: Trace, only: range | None = None, node_devices: int | None = None) -> Rank:
    """only: numbers of the steps that are wanted; the whole is then from the first of them to the last."""
    idle = Idle(trace)
    windows = {
        number: window
        for number, window in _windows(trace, idle.launches.start).items()
        if only is None or number in only
    }
    devices = idle.devices()
    steps = [(number, each.within(*window)) for each in devices for number, window in windows.items()]
    if only is not None and windows:
        starts, ends = zip(*windows.values(), strict=True)
        whole = [each.within(min(starts), max(ends)) for each in devices]
    else:
        whole = [each.within(int(each.busy.starts[0]), int(each.busy.ends[-1])) for each in devices]
    return Rank(trace, idle, [each for each in whole if each.span], steps, node_devices=node_devices)


def _windows(trace: Trace, launched: Times) -> dict[int, tuple[int, int]]:
    """Step -> from its first work on a device to the next step's. Work runs after the host's own step has ended; whose
    it is, is known by when it was launched."""
    if not trace.steps or not len(trace.work):
        return {}
    work = trace.work
    firsts: list[tuple[int, int]] = []
    last = 0
    for number, (start, end) in sorted(trace.steps.items(), key=lambda step: step[1]):
        own = (launched >= start) & (launched < end)
        if own.any():
            firsts.append((number, int(work["start"][own].min())))
            last = int(work["end"][own].max())
    ends = [*(start for _, start in firsts[1:]), last][: len(firsts)]  # none where no step launched anything
    return {number: (start, end) for (number, start), end in zip(firsts, ends, strict=True) if end > start}
