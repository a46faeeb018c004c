"""Which point of a cell its others are held against.

In: what each point changed by beside all other cells. Out: the key of one. Must not know how a ratio is had.

Two points that took turns in the same rounds tell their ratio well, but not which of the two changed. That is told,
less well, by what each is beside the other cells: the one that moved least there is what the others are held against.
As long as one point of a cell stayed what it was, that is rarely one that changed. A cell whose points all moved has
none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.compare.corrected import CHANCE, at_level
from harness.core.stats.intervals import Error


def anchor_of(reference: str, others: Sequence[str], beside: Mapping[str, Error]) -> str | None:
    """reference: the key of the cell's eager, which it is as long as nothing is known of it beside other cells.
    beside: key -> speed in B over A beside all other cells."""
    own = beside.get(reference)
    if own is None or not own.dof > 0:
        return reference
    by = {key: abs(math.log(beside[key].estimate)) for key in (reference, *others) if key in beside}
    least = min(by, key=by.__getitem__)
    return None if _moved(beside[least]) else least


def _moved(error: Error) -> bool:
    interval = at_level(error, CHANCE)
    return not interval.low <= 1 <= interval.high
