"""Bursts: steps issued to a device that is held meanwhile, so that issuing and executing are timed apart.

In: a step, a Gate that holds the device, a function that waits for it. Out: a Burst.
Must not know torch, modes, ranks or records, nor how a device is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat as times
from typing import Any, Protocol

from harness.core.collector import no_collections
from harness.timing.clock import CLOCK, Clock

# The device is held so many times as long as the host needed when it last did not queue the steps in time.
HOLD_TIMES, LEAST_HOLD_NS, MOST_HOLD_NS = 2, 200_000, 50_000_000


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
    clock: Clock = CLOCK,
) -> Burst:
    """Issue steps to a device that is held meanwhile: what the host needs to issue them, and the device alone.

    The burst must fit the launch queue; the caller chooses steps (see Device.burst_steps). Where there are
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
        start = clock()
        _issue(step, first, repeat)
        middle = clock()
        _issue(step, second, repeat)
        end = clock()
        held = gate.end()
    wait()
    growth = (end - middle) / second * first / max(middle - start, 1) if second else None
    return Burst((end - start) / steps, gate.elapsed_ns() / steps if held else None, growth)


def longer_hold(hold_ns: float, steps: int, burst: Burst) -> float:
    """For how long to hold the device next time, where it was let go before all steps were queued."""
    return min(max(HOLD_TIMES * (steps + 1) * burst.issue_ns, hold_ns), MOST_HOLD_NS)


def _issue(step: Callable[[], Any], steps: int, repeat: Callable[[int], Any] | None) -> None:
    if repeat is not None:
        repeat(steps)
        return
    for _ in times(None, steps):
        step()
