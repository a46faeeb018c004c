"""The rounds of one build of a cell so far: step times of each mode.

In: step times of each mode, a round at a time. Out: series and their medians. Must not know torch, ranks or records.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Rounds:
    """Of each mode the step times (slowest rank, nanoseconds) of the rounds it was in."""

    count: int = 0
    step_ns: dict[str, list[float]] = field(default_factory=dict)

    def add(self, step_ns: Mapping[str, float]) -> None:
        """Take in one round."""
        self.count += 1
        for mode, value in step_ns.items():
            self.step_ns.setdefault(mode, []).append(value)

    def drop(self, mode: str) -> None:
        """Forget a mode that failed in mid-cell."""
        self.step_ns.pop(mode, None)

    def step_us(self, mode: str) -> float:
        """Median step time so far, microseconds."""
        return statistics.median(self.step_ns[mode]) / 1e3
