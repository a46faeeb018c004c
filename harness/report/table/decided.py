"""Of which points the dispatch share is decided.

In: the table of all points of a report, with its helper columns. Out: a truth value for each row. Must not know slices,
figures or pages.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.analysis.noise import noise_floor
from harness.core import axes
from harness.core.schema import REFERENCE_MODE, ends
from harness.core.stats.verdicts import UNDECIDED, verdict

_CELL = ("run", "device_kind", "device_name", *axes.LADDER)
# As verdicts are given: what ranks that wait for cores differ by says nothing of others.
_ALIKE = ("run", "device_kind", "oversubscribed")


def undecided_shares(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Of each row whether its dispatch share rests on a comparison that decides nothing. On a CPU alone, where the
    share is one: with the cell's fastest mode without Python, which itself has 0 by definition and so is decided.

    Eager's is decided where any mode without Python is shown to be faster, slower or the same, by the verdicts in the
    table; another mode's where its interval is, by the same rule.
    """
    compared = (table["device_kind"] == "cpu") & table["ok"] & table["dispatch_share"].notna()
    undecided = np.zeros(len(table), dtype=bool)
    if not compared.any():
        return undecided
    eager = table["mode"] == REFERENCE_MODE
    free = table[compared & table["python_free"]]
    own, decided = (
        pd.MultiIndex.from_frame(part[list(_CELL)])
        for part in (table, free[~free["verdict"].isin(("", UNDECIDED))])
    )
    undecided |= compared & eager & ~own.isin(decided)
    low, high = (table[name].to_numpy(dtype=float) for name in ends("dispatch_share"))
    # A mode that is the measure has the interval [0, 0].
    asked = (compared & ~eager).to_numpy() & ~((low == 0) & (high == 0))
    for places in table.groupby(list(_ALIKE), sort=False, dropna=False).indices.values():
        floor = noise_floor(table.iloc[places]).relative
        for place in places[asked[places]]:
            undecided[place] = verdict(_over(low[place]), _over(high[place]), floor) == UNDECIDED
    return undecided


def _over(share: float) -> float:
    """How many times as long as the fastest a step is of which that share would be saved."""
    return 1 / (1 - share) if share < 1 else float("nan")
