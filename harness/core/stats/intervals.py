"""Intervals: of what was repeated in several sessions, and, free of assumptions, of a median.

In: plain numbers. Out: an Interval. Must not know torch, pandas or where the numbers come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, median, stdev

# 95 % intervals: one median in 40 lies below the interval, one in 40 above.
ONE_TAIL_IN = 40

# Below 6 values no 95 % interval of a median exists: P(all on one side of it) = 2 / 2^5 > 5 %.
FEWEST_FOR_INTERVAL = 6

# Degrees of freedom beyond which t is less than 1e-6 above the normal distribution's, and lgamma too coarse for it.
_AS_GOOD_AS_NORMAL = 3e6
# Parts of an integral.
_SIMPSON = 400


@dataclass(frozen=True)
class Interval:
    """An estimate with the interval that holds the true value with 95 % confidence; low and high are NaN where it was
    measured once at the level that holds the variance."""

    estimate: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """(high - low) / 2 / estimate, dimensionless; infinite for an estimate of 0, NaN without an interval."""
        return (self.high - self.low) / 2 / abs(self.estimate) if self.estimate else float("inf")

    def times(self, factor: float) -> Interval:
        """factor: above 0, and exact."""
        return Interval(self.estimate * factor, self.low * factor, self.high * factor)

    def taken_from_one(self, least: float) -> Interval:
        """What it leaves of 1, and never less than `least`."""
        return Interval(
            *(max(1 - end, least) if end == end else end for end in (self.estimate, self.high, self.low))
        )


@dataclass(frozen=True)
class Error:
    """An estimate above 0 and the standard error of its logarithm. dof: degrees of freedom of that; 0: it was measured
    once, and nothing is known of its error."""

    estimate: float
    standard: float
    dof: float

    def interval(self) -> Interval:
        if not self.dof > 0:
            return Interval(self.estimate, math.nan, math.nan)
        factor = math.exp(t_quantile(self.dof) * self.standard)
        return Interval(self.estimate, self.estimate / factor, self.estimate * factor)

    def inverse(self) -> Error:
        """Of 1 over the estimate."""
        return Error(1 / self.estimate, self.standard, self.dof)

    def over(self, other: Error) -> Error:
        """This over another, measured in other sessions: Welch's t (Biometrika 1947) on logarithms."""
        return Error(self.estimate / other.estimate, self.standard, self.dof).further(
            other.standard, other.dof
        )

    def further(self, standard: float, dof: float) -> Error:
        """The same estimate with a further, independent error of its logarithm; the degrees of freedom of both together
        after Welch and Satterthwaite."""
        if not (self.dof > 0 and dof > 0):
            return Error(self.estimate, math.nan, 0)
        ours, theirs = self.standard**2, standard**2
        if not ours + theirs:
            return Error(self.estimate, 0.0, min(self.dof, dof))
        joint = (ours + theirs) ** 2 / (ours**2 / self.dof + theirs**2 / dof)
        return Error(self.estimate, math.sqrt(ours + theirs), joint)


def over_sessions(values: Sequence[float]) -> Error:
    """What sessions agree on, from one positive value of each: their geometric mean, and its error.

    The nested design of Kalibera and Jones (Rigorous Benchmarking in Reasonable Time, ISMM 2013) with the session as
    its highest level: what differs between builds and rounds is within a session's own value, so that the spread of
    these values holds it too. On logarithms, since times are disturbed by factors. Raises ValueError if there are none.
    """
    if not values:
        raise ValueError("no values")
    if len(values) == 1:
        return Error(values[0], math.nan, 0)
    logs = [math.log(value) for value in values]
    return Error(math.exp(fmean(logs)), stdev(logs) / math.sqrt(len(logs)), len(logs) - 1)


def width_factor(sessions: int) -> float:
    """Half width of an interval over the standard deviation of the sessions it is of, two at least."""
    return t_quantile(sessions - 1) / math.sqrt(sessions)


@lru_cache(maxsize=4096)
def t_quantile(dof: float) -> float:
    """Student's t at 97.5 %, for 1 degree of freedom at least; within 1e-7 of itself.

    Newton's method on the integral of the density, by Simpson's rule. scipy has it too, but takes longer to import than
    `harness trace` takes for all else of a small trace.
    """
    wanted = 0.5 - 1 / ONE_TAIL_IN  # between 0 and the quantile
    found = NormalDist().inv_cdf(1 - 1 / ONE_TAIL_IN)
    if dof > _AS_GOOD_AS_NORMAL:
        return found
    log_scale = math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2) - math.log(dof * math.pi) / 2

    def density(at: float) -> float:
        return math.exp(log_scale - (dof + 1) / 2 * math.log1p(at * at / dof))

    for _ in range(60):
        width = found / _SIMPSON
        inner = sum((4 if place % 2 else 2) * density(place * width) for place in range(1, _SIMPSON))
        step = (width / 3 * (density(0) + inner + density(found)) - wanted) / density(found)
        found -= step
        if abs(step) < 1e-12 * found:
            break
    return found


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
