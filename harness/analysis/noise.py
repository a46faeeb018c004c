"""What noise there is on this machine today: between two builds of the same thing, and between sessions.

In: the points' table. Out: a Floor, Spreads. Must not know records.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.analysis import by_session as quantities
from harness.analysis.by_session import BySession
from harness.core import schema
from harness.core.stats.spread import Spread, Spreads, pooled

# With fewer sessions a point says next to nothing of how far they lie apart.
FEWEST_SESSIONS = 3
# So many of the nulls lie below the floor: the largest of many would be that of a single accident.
OF_NULLS = 0.95


@dataclass(frozen=True)
class Floor:
    """relative: the difference; NaN where nothing was compared with itself. nulls: cells in which it was; with_interval
    and holding_one: how many of those have an interval, and how many of these include 1. largest: of all differences,
    which relative is not."""

    relative: float
    nulls: int = 0
    with_interval: int = 0
    holding_one: int = 0
    largest: float = float("nan")


def noise_floor(rows: pd.DataFrame) -> Floor:
    """Of rows that belong together: of one run and device, disturbed or not."""
    null = rows[(rows["status"] == schema.OK) & rows["null_ratio"].notna()]
    if null.empty:
        return Floor(float("nan"))
    apart = np.expm1(np.abs(np.log(null["null_ratio"].to_numpy(dtype=float))))
    known = null[null["null_low"].notna() & null["null_high"].notna()]
    holding = ((known["null_low"] <= 1) & (known["null_high"] >= 1)).sum()
    floor = float(np.quantile(apart, OF_NULLS))
    return Floor(floor, len(null), len(known), int(holding), float(apart.max()))


def between_sessions(references: Collection[BySession], others: Collection[BySession]) -> Spreads | None:
    """How far the sessions of a run lie apart, by its points; None where there were too few. references: the points
    that the others are compared with. Not by the table, whose intervals of times hold the drift between sweeps too."""
    time = _pooled([*references, *others], quantities.STEP)
    ratio = _pooled(others, quantities.SPEEDUP)
    return Spreads(time, ratio) if time and ratio else None


def _pooled(found: Collection[BySession], quantity: str) -> Spread | None:
    several = [each for each in found if len(each.values[quantity]) >= FEWEST_SESSIONS]
    errors = [(each.error(quantity), len(each.values[quantity])) for each in several]
    return pooled((error.interval(), count) for error, count in errors if error is not None)
