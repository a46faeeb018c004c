"""Statistics of rounds: medians with distribution-free intervals.

In: plain numbers. Out: an Interval. Must not know torch, pandas or where the numbers come from:
the worker's stopping rule and the analysis use the same functions, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

# 95 % intervals: one median in 40 lies below the interval, one in 40 above.
ONE_TAIL_IN = 40

# Below 6 values no 95 % interval of a median exists: P(all on one side of it) = 2 / 2^5 > 5 %.
FEWEST_FOR_INTERVAL = 6


@dataclass(frozen=True)
class Interval:
    """A median with the interval that holds the true median with at least 95 % confidence."""

    median: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """(high - low) / 2 / median, dimensionless; infinite for a median of 0."""
        return (self.high - self.low) / 2 / abs(self.median) if self.median else float("inf")


@lru_cache(maxsize=4096)
def order_statistic_rank(count: int) -> int:
    """Zero-based index k such that [x(k), x(count-1-k)] covers the median with at least 95 % confidence.

    Exact and free of assumptions on the distribution (Conover, Practical Nonparametric Statistics,
    3.2): the number of samples below the median is binomial(count, 1/2). Below 6 samples no such
    interval exists and the whole range is given.
    """
    # In whole numbers, since 2.0**count overflows above 1,023: tail probability 1/40 on each side.
    outcomes, ways, cumulative, below = 1 << count, 1, 0, 0
    while below < count // 2:
        cumulative += ways  # ways: binomial coefficient (count over below), from the one before it
        if cumulative * ONE_TAIL_IN > outcomes:
            break
        ways = ways * (count - below) // (below + 1)
        below += 1
    return max(0, below - 1)


def median_interval(values: Sequence[float]) -> Interval:
    """Median of values with its 95 % interval, in the values' unit. Raises ValueError if there are none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    count = len(ordered)
    rank = order_statistic_rank(count)
    return Interval(median(ordered), ordered[rank], ordered[count - 1 - rank])


def relative_spread(values: Sequence[float]) -> float:
    """Interquartile range / median, dimensionless: the noise of single values, whatever their number."""
    ordered = sorted(values)
    count = len(ordered)
    quarter = count // 4
    middle = median(ordered)
    return (ordered[count - 1 - quarter] - ordered[quarter]) / abs(middle) if middle else float("inf")
