"""Verdicts of many comparisons at once, so that their number makes none of them.

In: ratios with their errors, noise floors. Out: verdicts. Must not know what is compared.

Of 100 points that did not change, five 95 % intervals miss 1. Holm's step-down procedure (Scandinavian Journal of
Statistics 6, 1979) keeps the chance that any is called changed at 5 %, whatever they have in common: points of a cell
share their reference, and all share sessions, so that what Benjamini and Hochberg's procedure assumes of them is not
known to hold. A verdict is that of the one rule (harness.core.stats.verdicts) from the interval that is printed, but
faster and slower must stand out against their number as well: of m comparisons, the one that stands out most is held
against 1 by an interval of 1 - 5 % / m, the next by 1 - 5 % / (m - 1), until one holds 1; it and all after it are
undecided. Against 1 and not against the threshold: what must not be called changed is what did not change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtr, stdtrit

from harness.core.stats.intervals import ONE_TAIL_IN, Error, Interval
from harness.core.stats.verdicts import FASTER, SLOWER, UNDECIDED, verdict

# Of all together: that of an interval of 95 %.
CHANCE = 2 / ONE_TAIL_IN
CHANGED = (FASTER, SLOWER)
# Of a logarithm: a factor of 1e130, which is as good as no end at all.
_WIDEST = 300.0


def verdicts(ratios: Sequence[tuple[Error, float]], beside: int = 0) -> list[str]:
    """ratios: of speeds, each with its noise floor. One without an error is undecided, and counts for none. beside:
    further comparisons of which it is known that they stand out less."""
    found = [_verdict(error, floor) for error, floor in ratios]
    chances = [_chance(error) for error, _ in ratios]
    order = sorted(
        (place for place, chance in enumerate(chances) if not math.isnan(chance)), key=chances.__getitem__
    )
    left, stopped = len(order) + beside, False
    for place in order:
        stopped = stopped or chances[place] > CHANCE / left
        left -= 1
        if stopped and found[place] in CHANGED:
            found[place] = UNDECIDED
    return found


def _verdict(error: Error, floor: float) -> str:
    interval = at_level(error, CHANCE)
    return verdict(interval.low, interval.high, floor)


def at_level(error: Error, chance: float) -> Interval:
    """The interval that misses the truth with this chance."""
    factor = math.exp(min(float(stdtrit(error.dof, 1 - chance / 2)) * error.standard, _WIDEST))
    return Interval(error.estimate, error.estimate / factor, error.estimate * factor)


def _chance(error: Error) -> float:
    """With which a ratio of 1 would be found as far from 1, in either direction; NaN where nothing is known of its
    error."""
    if not error.dof > 0:
        return math.nan
    away = abs(math.log(error.estimate))
    if not error.standard > 0:
        return 0.0 if away > 0 else 1.0
    return min(1.0, 2 * float(stdtr(error.dof, -away / error.standard)))
