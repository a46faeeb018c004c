"""How far sessions on one machine lie apart, for what was measured in one session only; and how far sweeps do, for what
every sweep measures once.

In: intervals of many points, times of sweeps, or a record. Out: a Spread. Must not know files, nor what was measured.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.numbers import is_number
from harness.core.stats.intervals import Error, Interval, t_quantile

# With fewer sweeps the spread between them is known by so few degrees of freedom that an interval would say nothing.
FEWEST_SWEEPS = 4
# Of a normal distribution with a variance of 1: how far two values lie apart in the median.
_MEDIAN_APART = math.sqrt(2) * statistics.NormalDist().inv_cdf(0.75)
# By the order statistics' covariances (Sarhan and Greenberg, Annals of Mathematical Statistics 27, 1956); beyond 9 what
# they tend to is near enough.
_MEDIAN_VARIANCES = {2: 0.5, 3: 0.4487, 4: 0.2982, 5: 0.2868, 6: 0.2147, 7: 0.2104, 8: 0.1682, 9: 0.1661}


@dataclass(frozen=True)
class Spread:
    """sd: standard deviation between sessions, or sweeps, of the logarithm of a value; dof: degrees of freedom it is
    known by."""

    sd: float
    dof: float

    def error(self, value: float, within: float) -> Error:
        """Of a value that one session gave. within: the standard error of its logarithm by its own rounds."""
        return Error(value, math.hypot(self.sd, within), self.dof)

    def plain(self) -> dict[str, float]:
        """As it is written down."""
        return {"sd": self.sd, "dof": self.dof}

    @staticmethod
    def of(plain: Any) -> Spread | None:
        """Read back; None where it is no such thing."""
        if not isinstance(plain, Mapping):
            return None
        sd, dof = plain.get("sd"), plain.get("dof")
        if not (is_number(sd) and is_number(dof) and 0 <= sd < 1 and dof >= 1):
            return None
        return Spread(float(sd), float(dof))


# How far a machine drifts of which nothing is known yet, and by how many degrees of freedom: what shared machines of 2
# cores showed over 20 sweeps (benchmarks.coverage), counted like five of them.
ASSUMED_DRIFT = Spread(0.02, 4)


def with_assumed(found: Spread | None) -> Spread:
    """A drift, with what is assumed of every machine beside it: sweeps that follow each other within minutes are alike,
    so that the first few show less than later ones will. A scaled inverse chi-squared prior of the variance (Gelman et
    al., Bayesian Data Analysis, 2013, 2.6)."""
    if found is None:
        return ASSUMED_DRIFT
    parts, dof = (ASSUMED_DRIFT, found), ASSUMED_DRIFT.dof + found.dof
    return Spread(math.sqrt(sum(part.dof * part.sd**2 for part in parts) / dof), dof)


@dataclass(frozen=True)
class Spreads:
    """time: of step times. ratio: of speed-ups."""

    time: Spread
    ratio: Spread

    def plain(self) -> dict[str, dict[str, float]]:
        """As it is written down."""
        return {name: each.plain() for name, each in vars(self).items()}

    @staticmethod
    def of(plain: Any) -> Spreads | None:
        """Read back; None where it is no such thing."""
        if not isinstance(plain, Mapping):
            return None
        time, ratio = Spread.of(plain.get("time")), Spread.of(plain.get("ratio"))
        return Spreads(time, ratio) if time and ratio else None


@dataclass(frozen=True)
class Earlier:
    """What earlier sweeps found of this machine. spreads: between the sessions of one, for what is measured in a single
    session now. drift: between sweeps, beyond what their sessions show. None where it is not known."""

    spreads: Spreads | None = None
    drift: Spread | None = None

    def plain(self) -> dict[str, Any]:
        """As fields of a record."""
        return {name: each and each.plain() for name, each in vars(self).items()}

    @staticmethod
    def of(spreads: Any, drift: Any) -> Earlier:
        """Read back; what is no such thing is not known."""
        return Earlier(Spreads.of(spreads), Spread.of(drift))


NOTHING_KNOWN = Earlier()


def pooled(intervals: Iterable[tuple[Interval, int]]) -> Spread | None:
    """Of many points' intervals, each with the sessions it is of; None where no point has two.

    The root mean square of the points' own: no less than what is usual, and more where some differ a lot. The points of
    one sweep share its sessions, so that together they know no more of what differs between sessions than one does: the
    degrees of freedom are those of one.
    """
    several = [(_between(interval, count), count) for interval, count in intervals if count > 1]
    known = [(sd, count) for sd, count in several if math.isfinite(sd)]
    if not known:
        return None
    mean_square = statistics.fmean(sd**2 for sd, _ in known)
    return Spread(math.sqrt(mean_square), statistics.median(count - 1 for _, count in known))


def _between(interval: Interval, sessions: int) -> float:
    """The standard deviation that the interval was made of."""
    if not (interval.low > 0 and interval.high > 0):
        return math.nan
    half = math.log(interval.high / interval.low) / 2
    return half / t_quantile(sessions - 1) * math.sqrt(sessions)


def between_sweeps(sweeps: Iterable[Sequence[float]]) -> Spread | None:
    """What sweeps differ by beyond what their own sessions do. sweeps: of each, a positive time a session, of the same
    work in all. None where there are fewer than FEWEST_SWEEPS of two sessions or more.

    The component of variance of a one-way random model on logarithms, of medians: what the sweeps' medians vary by,
    less what medians of so many sessions do for themselves; 0 where it is not above. Not of mean squares, by which one
    session that was disturbed makes all sessions differ so much that sweeps differ no more.
    """
    groups = [[math.log(time) for time in sweep] for sweep in sweeps if len(sweep) > 1]
    if len(groups) < FEWEST_SWEEPS:
        return None
    apart = (abs(one - other) for group in groups for one, other in itertools.combinations(group, 2))
    within = statistics.median(apart) / _MEDIAN_APART
    of_medians = within**2 * statistics.fmean(_median_variance(len(group)) for group in groups)
    variance = statistics.variance(map(statistics.median, groups)) - of_medians
    return Spread(math.sqrt(max(variance, 0.0)), len(groups) - 1)


def _median_variance(count: int) -> float:
    """Of the median of so many values of a normal distribution with a variance of 1."""
    return _MEDIAN_VARIANCES.get(count, math.pi / 2 / count)
