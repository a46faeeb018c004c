"""Which point of a cell its others are held against.

In: what each point changed by beside all other cells. Out: the key of one. Must not know how a ratio is had.

Two points that took turns in the same rounds tell their ratio well, but not which of the two changed. That is told,
less well, by what each is beside the other cells. So it is eager, unless its interval there leaves 1 out; then it is
the mode that moved least, if its own holds 1. A cell whose points all moved has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.compare.corrected import CHANCE, at_level
from harness.core.stats.intervals import Error


def anchor_of(reference: str, others: Sequence[str], beside: Mapping[str, Error]) -> str | None:
    """reference: the key of the cell's eager. beside: key -> speed in B over A beside all other cells. What has no
    error there is not known to have moved."""
    if not _moved(beside.get(reference)):
        return reference
    moved_by = abs(math.log(beside[reference].estimate))
    known = {key: abs(math.log(beside[key].estimate)) for key in others if key in beside}
    still = [key for key, by in known.items() if by < moved_by and not _moved(beside[key])]
    return min(still, key=known.__getitem__, default=None)


def _moved(error: Error | None) -> bool:
    if error is None or not error.dof > 0:
        return False
    interval = at_level(error, CHANCE)
    return not interval.low <= 1 <= interval.high
