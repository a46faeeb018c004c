"""Verdicts of many comparisons at once, so that their number makes none of them.

In: ratios with their errors, noise floors. Out: verdicts. Must not know what is compared.

Of 100 points that did not change, five 95 % intervals miss 1. Holm's step-down procedure (Scandinavian Journal of
Statistics 6, 1979) keeps the chance that any is called changed at 5 %, whatever they have in common: points of a cell
share their reference, and all share sessions, so that what Benjamini and Hochberg's procedure assumes of them is not
known to hold. A verdict is that of the one rule (harness.core.stats.verdicts), from an interval that is wider than the
one that is printed: of m comparisons, the one that stands out most is judged by an interval of 1 - 5 % / m, the next by
1 - 5 % / (m - 1), until one does not stand out; it and all others are judged by the interval reached there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtr, stdtrit

from harness.core.stats.intervals import ONE_TAIL_IN, Error, Interval
from harness.core.stats.verdicts import FASTER, SLOWER, UNDECIDED, threshold, verdict

# Of all together: that of an interval of 95 %.
CHANCE = 2 / ONE_TAIL_IN
CHANGED = (FASTER, SLOWER)
# Of a logarithm: a factor of 1e130, which is as good as no end at all.
_WIDEST = 300.0


def verdicts(ratios: Sequence[tuple[Error, float]], beside: int = 0) -> list[str]:
    """ratios: of speeds, each with its noise floor. One without an error is undecided, and counts for none. beside:
    further comparisons of which it is known that they stand out less."""
    chances = [_chance(error, floor) for error, floor in ratios]
    order = sorted(
        (place for place, chance in enumerate(chances) if not math.isnan(chance)), key=chances.__getitem__
    )
    found, left, stopped = [UNDECIDED] * len(ratios), len(order) + beside, False
    for place in order:
        error, floor = ratios[place]
        interval = at_level(error, CHANCE / left)
        found[place] = verdict(interval.low, interval.high, floor)
        stopped = stopped or found[place] not in CHANGED
        left -= 0 if stopped else 1
    return found


def at_level(error: Error, chance: float) -> Interval:
    """The interval that misses the truth with this chance."""
    factor = math.exp(min(float(stdtrit(error.dof, 1 - chance / 2)) * error.standard, _WIDEST))
    return Interval(error.estimate, error.estimate / factor, error.estimate * factor)


def _chance(error: Error, floor: float) -> float:
    """With which the ratio would stand out as far from the threshold, in either direction, were it there; NaN where
    nothing is known of its error."""
    if not error.dof > 0:
        return math.nan
    beyond = abs(math.log(error.estimate)) - math.log1p(threshold(floor))
    if not error.standard > 0:
        return 0.0 if beyond > 0 else 1.0
    return min(1.0, 2 * float(stdtr(error.dof, -beyond / error.standard)))
