"""The rounds of a cell so far, and the figures whose intervals decide when it may stop.

In: step times of each mode, a round at a time. Out: series and their intervals. Must not know torch, ranks or records,
nor the rules that look at it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.stats import Interval, median_interval, relative_spread


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
