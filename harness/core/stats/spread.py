"""How far sessions on one machine lie apart: for what was measured in one session only.

In: intervals of many points, or a record. Out: Spreads. Must not know files, nor what was measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.numbers import is_number
from harness.core.stats.intervals import Error, Interval, t_quantile


@dataclass(frozen=True)
class Spread:
    """sd: standard deviation between sessions of the logarithm of a value; dof: degrees of freedom it is known by."""

    sd: float
    dof: float

    def error(self, value: float, within: float) -> Error:
        """Of a value that one session gave. within: the standard error of its logarithm by its own rounds."""
        return Error(value, math.hypot(self.sd, within), self.dof)


@dataclass(frozen=True)
class Spreads:
    """time: of step times. ratio: of speed-ups."""

    time: Spread
    ratio: Spread

    def plain(self) -> dict[str, dict[str, float]]:
        """As it is written down."""
        return {name: {"sd": each.sd, "dof": each.dof} for name, each in vars(self).items()}

    @staticmethod
    def of(plain: Any) -> Spreads | None:
        """Read back; None where it is no such thing."""
        if not isinstance(plain, Mapping):
            return None
        time, ratio = _spread(plain.get("time")), _spread(plain.get("ratio"))
        return Spreads(time, ratio) if time and ratio else None


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


def _spread(plain: Any) -> Spread | None:
    if not isinstance(plain, Mapping):
        return None
    sd, dof = plain.get("sd"), plain.get("dof")
    if not (is_number(sd) and is_number(dof) and 0 <= sd < 1 and dof >= 1):
        return None
    return Spread(float(sd), float(dof))
