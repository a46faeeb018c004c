"""A kernel that holds a stream of a CUDA device while work is queued behind it.

In: a number of cycles. Out: a Gate. Must not know what is queued.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

# Some milliseconds on any clock, against which the events' resolution of 0.5 us is nothing.
CALIBRATION_CYCLES = 10_000_000


class HoldKernel:
    """A Gate (harness.timing.bursts) made of a kernel that does nothing for a number of cycles: what is queued behind
    it waits, and when it ends follows without a gap."""

    def __init__(self, cycles: int) -> None:
        self.cycles = cycles
        self.first, self.last = timed_events()

    def close(self) -> None:
        torch.cuda._sleep(self.cycles)  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        self.first.record()

    def end(self) -> bool:
        self.last.record()
        return not self.first.query()

    def elapsed_ns(self) -> float:
        return float(self.first.elapsed_time(self.last) * 1e6)


def cycles_per_ns(wait: Callable[[], None]) -> float:
    """Cycles of torch.cuda._sleep in a nanosecond. Its clock is the multiprocessors', which moves with load.

    wait: returns when the current device is done.
    """
    start, end = timed_events()
    for _ in range(2):  # the first one wakes the device up
        start.record()
        torch.cuda._sleep(CALIBRATION_CYCLES)  # type: ignore[no-untyped-call]
        end.record()
        wait()
    return float(CALIBRATION_CYCLES / (start.elapsed_time(end) * 1e6))


def timed_events() -> tuple[Any, Any]:
    """Two events that hold the time; torch has none that are generic before 2.9."""
    event: Any = torch.cuda.Event
    return event(enable_timing=True), event(enable_timing=True)
