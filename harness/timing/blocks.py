"""The clock: timed blocks, and the rules that say how long to warm up and when to stop.

In: a step to call and a function that waits for the device. Out: Blocks and decisions.
Must not know torch, ranks or records: the rules are plain arithmetic, tested with known times.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat as times
from typing import Any, Protocol

from harness.core.stats import FEWEST_FOR_INTERVAL, Interval, median_interval, relative_spread

# A block is long enough when reading the clock twice costs at most this share of it.
CLOCK_SHARE = 1e-4

# Warm-up has settled when the median of the last blocks differs from that of the ones before by less
# than this. 3 + 3 blocks: fewer let a single disturbed block decide.
SETTLED_CHANGE = 0.05
SETTLED_BLOCKS = 3

# A block that is shorter than this share of its target is made longer; growth by at most 10 a time, since
# the first, cold steps overstate a step's time.
LONG_ENOUGH = 0.7
GROWTH = 10

# The noise of single rounds has stopped moving when it changed by less than this over the last rounds.
STILL_NOISE = 0.1
STILL_ROUNDS = 10
HOPELESS_TIMES = 2


@dataclass(frozen=True)
class Block:
    """n steps timed as one. Times in nanoseconds of the system-wide monotonic clock.

    cpu_ns: CPU time of the process, main_ns: of the calling thread; waits and preemptions: voluntary
    and involuntary context switches of the process. All None when usage is not recorded. fastest_ns: where
    several threads had a block each, what the fastest of them took; main_ns is the least of theirs then.
    """

    steps: int
    start_ns: int
    end_ns: int
    cpu_ns: int | None = None
    main_ns: int | None = None
    waits: int | None = None
    preemptions: int | None = None
    fastest_ns: int | None = None

    @property
    def wall_ns(self) -> int:
        return self.end_ns - self.start_ns


def time_block(
    step: Callable[[], Any],
    steps: int,
    wait: Callable[[], None],
    *,
    usage: bool = True,
    repeat: Callable[[int], Any] | None = None,
) -> Block:
    """Call step so many times, wait for the device, and read the clock before and after.

    repeat: makes so many steps by itself, with no Python between them, and is called instead.

    The garbage collector is off meanwhile: a collection in one mode's block would be charged to that mode.
    The result of a step is dropped at once, as in the warm-up, so that memory is reused alike.
    time.monotonic_ns is one clock for all processes of a machine (CLOCK_MONOTONIC), so blocks of
    different ranks can be laid side by side.
    """
    wait()
    with no_collections():
        before = _usage() if usage else None
        calls = times(None, steps)
        start = time.monotonic_ns()
        if repeat is not None:
            repeat(steps)
        else:
            for _ in calls:
                step()
        wait()
        end = time.monotonic_ns()
        after = _usage() if usage else None
    if before is None or after is None:
        return Block(steps, start, end)
    return Block(steps, start, end, *(b - a for a, b in zip(before, after, strict=True)))


def time_blocks(blocks: Callable[[], Sequence[Block]], *, usage: bool = True) -> Block:
    """Several threads' blocks as one: from the first one's start to the last one's end.

    blocks: has every thread time a block of its own, with its own thread's usage, and answers them.
    """
    with no_collections():
        before = _usage() if usage else None
        found = blocks()
        after = _usage() if usage else None
    joined = Block(
        steps=found[0].steps,
        start_ns=min(block.start_ns for block in found),
        end_ns=max(block.end_ns for block in found),
        fastest_ns=min(block.wall_ns for block in found),
    )
    if before is None or after is None:
        return joined
    cpu_ns, _, waits, preemptions = (b - a for a, b in zip(before, after, strict=True))
    # As a share of its own block: a thread that was done early has not been kept from a core since.
    least = min((block.main_ns or 0) / block.wall_ns for block in found)
    main_ns = round(least * joined.wall_ns)
    return replace(joined, cpu_ns=cpu_ns, main_ns=main_ns, waits=waits, preemptions=preemptions)


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Within: no garbage is collected."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Gate(Protocol):
    """Holds an asynchronous device while work is queued for it, and then knows how long that work took."""

    def close(self) -> None:
        """Hold the device for some time from now on."""

    def begin(self) -> None:
        """What is queued from here on is what is timed."""

    def end(self) -> bool:
        """All that is timed is queued; whether the device was held until now."""

    def elapsed_ns(self) -> float:
        """What the device took from begin to end, nanoseconds; to be asked when it is done."""


@dataclass(frozen=True)
class Burst:
    """Nanoseconds of one step: issue_ns the host's to issue it, device_ns the device's to execute it.

    device_ns is None if the device was let go before all was queued: its time then holds gaps. growth: what
    the second half of the steps took over what the first half took; far from 1 where the queue filled up and
    made the host wait in one of them. None for a single step.
    """

    issue_ns: float
    device_ns: float | None
    growth: float | None = None


def time_burst(
    step: Callable[[], Any],
    steps: int,
    gate: Gate,
    wait: Callable[[], None],
    *,
    repeat: Callable[[int], Any] | None = None,
) -> Burst:
    """Issue steps to a device that is held meanwhile: what the host needs to issue them, and the device alone.

    The burst must fit the launch queue; the caller chooses steps (see device.burst_steps). Where there are
    several, one goes before them: on cold caches the first one after a wait takes longer, and in a burst of
    some tens of steps it would count. The clock is read once more in the middle, see Burst.growth.
    """
    wait()
    first, second = steps - steps // 2, steps // 2
    with no_collections():
        gate.close()
        if steps > 1:
            _issue(step, 1, repeat)
        gate.begin()
        start = time.monotonic_ns()
        _issue(step, first, repeat)
        middle = time.monotonic_ns()
        _issue(step, second, repeat)
        end = time.monotonic_ns()
        held = gate.end()
    wait()
    growth = (end - middle) / second * first / max(middle - start, 1) if second else None
    return Burst((end - start) / steps, gate.elapsed_ns() / steps if held else None, growth)


def _issue(step: Callable[[], Any], steps: int, repeat: Callable[[int], Any] | None) -> None:
    if repeat is not None:
        repeat(steps)
        return
    for _ in times(None, steps):
        step()


def clock_cost_ns() -> float:
    """Nanoseconds that reading the clock twice adds to a block: the median of many back-to-back pairs."""
    pairs = [-(time.monotonic_ns() - time.monotonic_ns()) for _ in range(1001)]
    return statistics.median(pairs)


def _usage() -> tuple[int, int, int, int]:
    process = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ns = round((process.ru_utime + process.ru_stime) * 1e9)
    return cpu_ns, time.thread_time_ns(), process.ru_nvcsw, process.ru_nivcsw


# Rounds between two looks at the intervals. Stopping as soon as an interval happens to be narrow makes
# intervals too narrow; the more looks, the more so.
LOOK_EVERY = 10


class WarmUp:
    """Finds the block size of one mode and says when its step time has settled.

    Feed it every block's wall time (of the slowest rank); it answers how many steps the next block
    shall have, or None when done. Pure bookkeeping: the same on every rank for the same numbers.
    """

    def __init__(self, block_ns: float, limit_ns: float) -> None:
        self.target_ns = block_ns
        self.limit_ns = limit_ns
        self.steps = 1
        self.spent_ns = 0.0
        self.settled = False
        self._step_ns: list[float] = []

    def next_steps(self, wall_ns: float) -> int | None:
        """Take in a block of self.steps steps that took wall_ns; answer the next block's steps."""
        self.spent_ns += wall_ns
        step_ns = wall_ns / self.steps
        if wall_ns < LONG_ENOUGH * self.target_ns:
            wanted = int(self.target_ns / max(step_ns, 1.0)) + 1
            grown = min(wanted, self.steps * GROWTH)
            if grown > self.steps:
                self.steps = grown
                self._step_ns.clear()
                return self.steps
        self._step_ns.append(step_ns)
        self.settled = self._has_settled()
        if self.settled or (self.spent_ns >= self.limit_ns and len(self._step_ns) >= 2):
            return None
        return self.steps

    def _has_settled(self) -> bool:
        recent = self._step_ns[-2 * SETTLED_BLOCKS :]
        if len(recent) < 2 * SETTLED_BLOCKS:
            return False
        earlier = statistics.median(recent[:SETTLED_BLOCKS])
        later = statistics.median(recent[SETTLED_BLOCKS:])
        return abs(later - earlier) < SETTLED_CHANGE * earlier


@dataclass
class Rounds:
    """The rounds of a cell so far: per mode the step times (slowest rank, nanoseconds), same length each."""

    reference: str
    step_ns: dict[str, list[float]] = field(default_factory=dict)
    spreads: dict[str, list[float]] = field(default_factory=dict)
    wall_s: float = 0.0

    def add(self, step_ns: Mapping[str, float], wall_s: float) -> None:
        """Take in one round; wall_s: what its blocks took together, of the slowest rank."""
        self.wall_s += wall_s
        for mode, value in step_ns.items():
            self.step_ns.setdefault(mode, []).append(value)
        for mode in step_ns:
            self.spreads.setdefault(mode, []).append(relative_spread(self.figure(mode)))

    def drop(self, mode: str) -> None:
        """Forget a mode that failed in mid-cell."""
        self.step_ns.pop(mode, None)
        self.spreads.pop(mode, None)

    @property
    def count(self) -> int:
        return max((len(values) for values in self.step_ns.values()), default=0)

    def figure(self, mode: str) -> list[float]:
        """The series whose interval must become narrow: paired ratios to the reference where there is
        one, since that is the figure that is quoted; the reference's and a lone mode's own step times."""
        own, reference = self.step_ns[mode], self.step_ns.get(self.reference)
        if mode == self.reference or reference is None:
            return own
        return [r / o for r, o in zip(reference, own, strict=True)]

    def step_us(self, mode: str) -> float:
        """Median step time so far, microseconds."""
        return statistics.median(self.step_ns[mode]) / 1e3

    def interval(self, mode: str) -> Interval:
        return median_interval(self.figure(mode))


SETTLED, NOISY, CAPPED = "settled", "noisy", "capped"
# What a cell's state is called until one of these holds.
UNFINISHED = "unfinished"


class Narrow:
    """Done when every mode's 95 % interval is narrower than the target, relative to its median."""

    reason = SETTLED

    def __init__(self, rel_width: float) -> None:
        self.rel_width = rel_width

    def holds(self, rounds: Rounds) -> bool:
        return all(rounds.interval(m).relative_half_width <= self.rel_width for m in rounds.step_ns)


class Hopeless:
    """Done when the noise has stopped moving and is so large that the cap would not bring the target near.

    The interval of a median narrows with the root of the number of rounds, so its width at the cap can be
    foretold once the spread of single rounds stands still (the idea of nvbench's stdrel criterion, which
    stops when its noise estimate has converged). Only where it would be HOPELESS_TIMES too wide even then:
    short of that, more rounds are still worth their time.
    """

    reason = NOISY

    def __init__(self, rel_width: float, max_rounds: int) -> None:
        self.rel_width = rel_width
        self.max_rounds = max_rounds

    def holds(self, rounds: Rounds) -> bool:
        return any(self._hopeless(rounds, mode) for mode in rounds.step_ns)

    def _hopeless(self, rounds: Rounds, mode: str) -> bool:
        recent = rounds.spreads[mode][-STILL_ROUNDS:]
        if len(recent) < STILL_ROUNDS or max(recent) - min(recent) > STILL_NOISE * max(recent):
            return False
        at_cap = rounds.interval(mode).relative_half_width * (rounds.count / self.max_rounds) ** 0.5
        return bool(at_cap > HOPELESS_TIMES * self.rel_width)


class Capped:
    """Done when the rounds or the time are used up."""

    reason = CAPPED

    def __init__(self, max_rounds: int, max_s: float) -> None:
        self.max_rounds = max_rounds
        self.max_s = max_s

    def holds(self, rounds: Rounds) -> bool:
        return rounds.count >= self.max_rounds or rounds.wall_s >= self.max_s


def stop_reason(rounds: Rounds, rules: Sequence[Narrow | Hopeless | Capped], min_rounds: int) -> str | None:
    """Why to stop now, by the first rule that holds; None to go on.

    The intervals are looked at every LOOK_EVERY rounds only. Before min_rounds only the cap on time can
    stop a cell, and not before there is any interval.
    """
    if rounds.count < min_rounds or (rounds.count - min_rounds) % LOOK_EVERY:
        rules = [rule for rule in rules if rule.reason == CAPPED]
    if rounds.count < FEWEST_FOR_INTERVAL:
        return None
    return next((rule.reason for rule in rules if rule.holds(rounds)), None)
