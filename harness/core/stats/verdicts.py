"""What a comparison shows: faster, slower, the same, or nothing.

In: an interval of a ratio, and the noise floor. Out: a verdict. Must not know what is compared: findings and whatever
else compares two things have this one rule.
"""

from __future__ import annotations

import math

FASTER, SLOWER, SAME, UNDECIDED = "faster", "slower", "same", "undecided"

# Relative differences below the first are no use to anybody; where a thing differs from itself by more than the
# second, nothing can be told.
LEAST_THRESHOLD, HIGHEST_FLOOR = 0.01, 0.03


def threshold(floor: float) -> float:
    """The relative difference from which on one counts; infinite where the floor is too high to tell any.

    floor: by how much a thing differs from itself (the null); NaN where that was not measured.
    """
    if math.isnan(floor):
        return LEAST_THRESHOLD
    return math.inf if floor > HIGHEST_FLOOR else max(LEAST_THRESHOLD, floor)


def verdict(low: float, high: float, floor: float) -> str:
    """Of a ratio with that interval (over 1: faster). NaN where it has none: undecided."""
    least = threshold(floor)
    if math.isnan(low) or math.isnan(high) or math.isinf(least):
        return UNDECIDED
    if low > 1 + least:
        return FASTER
    if high < 1 / (1 + least):
        return SLOWER
    return SAME if 1 / (1 + least) <= low and high <= 1 + least else UNDECIDED
