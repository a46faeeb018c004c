"""Whether two ways of timing one thing agree, each repeated in several processes.

In: a value a process. Out: a difference, and how far each lies outside the other's interval. Must not know what was
timed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Mean:
    """Geometric mean over processes with its 95 % interval, in the values' unit; NaN ends where there is one value."""

    value: float
    low: float
    high: float


def mean_of(values: Sequence[float]) -> Mean:
    """By Student's t on logarithms. Raises ValueError if there are no values."""
    if not values:
        raise ValueError("no values")
    logs = np.log(values)
    center = float(logs.mean())
    if len(logs) < 2:
        return Mean(math.exp(center), math.nan, math.nan)
    half = float(stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs)))
    return Mean(math.exp(center), math.exp(center - half), math.exp(center + half))


def outside_both(ours: Mean, theirs: Mean) -> float:
    """How far, relatively, each value lies outside the other's interval at least; 0 where one of them is inside.

    Without an interval the value itself stands for it: one process proves nothing to be inside.
    """
    return min(_outside(ours.value, theirs), _outside(theirs.value, ours))


def _outside(value: float, interval: Mean) -> float:
    low = interval.value if math.isnan(interval.low) else interval.low
    high = interval.value if math.isnan(interval.high) else interval.high
    return max(0.0, low / value - 1, value / high - 1)
