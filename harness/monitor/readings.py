"""What a device under watch is made of: its readings, the turns of costly ones, and the journal of what failed.

In: ticks, and what went wrong. Out: whose turn it is, counts, and an event for each new kind. Must not know NVML.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# PCIe throughput holds the caller up for 20 ms (nvmlDeviceGetPcieThroughput): one such call in so long.
COSTLY_APART_S = 0.25


class Journal:
    """Counts what went wrong, and tells each kind once per device and function through `tell`."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._told: set[tuple[str | None, str, str]] = set()
        self.counted: Counter[str] = Counter()

    def note(self, device: str | None, what: str, function: str, detail: str) -> None:
        """what: lost, slow, denied or error."""
        self.counted[what] += 1
        if (device, what, function) not in self._told:
            self._told.add((device, what, function))
            self._tell(
                "event", t_ns=time.monotonic_ns(), device=device, what=what, detail=f"{function}: {detail}"
            )


class Turns:
    """Costly calls, of which no sample waits for more than one: they are made one at a time, some ticks apart."""

    def __init__(self, tick_s: float) -> None:
        self._apart = max(1, math.ceil(COSTLY_APART_S / tick_s))
        self._next = 0
        self.members = 0

    def has(self, tick: int) -> bool:
        """Whether a costly call may be made at this tick; if so, it is taken."""
        if tick < self._next:
            return False
        self._next = tick + self._apart
        return True

    @property
    def round(self) -> int:
        """Ticks in which each one has its turn."""
        return self.members * self._apart


@dataclass(eq=False)
class Reading:
    """A function that is asked of a device every so many ticks. put: sets what it said in the sample."""

    function: str
    ask: Callable[[], Any]
    put: Callable[[dict[str, Any], Any], None]
    every: int = 1
    next: int = 0
    retry: int = 0
    turns: Turns | None = None
