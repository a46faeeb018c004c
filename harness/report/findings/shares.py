"""What part of a step is dispatch in each cell, as far as it can be trusted, and what that shows.

In: rows of one run, device and workload. Out: the cells, and how many of them show what. Must not know the sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.analysis.noise import noise_floor
from harness.core.stats.verdicts import threshold
from harness.report.findings.claim import BOUND, EAGER, FREE
from harness.report.findings.speedups import compared
from harness.report.table.formats import percent
from harness.report.table.slices import CELL_AXES
from harness.report.table.tidy import mode_rank


@dataclass(frozen=True)
class Shares:
    """mode: that asked about, eager where it was measured. own: its rows that say something, with `share` (0 to 1) and
    the ends of its interval, `low` and `high`, both the share itself where it has none. unknown: cells of which
    nothing can be said."""

    mode: str
    own: pd.DataFrame
    unknown: int

    @property
    def over(self) -> pd.Series:
        """Shown to be over half."""
        return self.own["low"] >= BOUND

    @property
    def under(self) -> pd.Series:
        """Shown to be under a tenth."""
        return self.own["high"] < FREE

    @property
    def about(self) -> pd.Series:
        """Half lies within the interval, and none without."""
        return ~self.over & (self.own["high"] >= BOUND) & (self.own["low"] > 0)

    @property
    def open(self) -> pd.Series:
        """It may be nothing, and may matter."""
        return (self.own["low"] <= 0) & ~self.under

    @property
    def cells(self) -> int:
        return len(self.own) + self.unknown

    def counted(self) -> str:
        """`over 50 % in 4 of 24 cells, about 50 % in 2, in between in 12, under 10 % in 6`; none without a cell."""
        undecided = int(self.open.sum()) + self.unknown
        found = {
            f"over {percent(BOUND)}": int(self.over.sum()),
            f"about {percent(BOUND)}": int(self.about.sum()),
            f"under {percent(FREE)}": int(self.under.sum()),
            "undecided": undecided,
        }
        between = self.cells - sum(found.values())
        found = {**dict(list(found.items())[:2]), "in between": between, **found}
        parts = [(name, number) for name, number in found.items() if number]
        first, *rest = (f"{name} in {number}" for name, number in parts)
        return ", ".join([f"{first} of {self.cells} cells", *rest])


def shares(rows: pd.DataFrame) -> Shares:
    """Of the mode that is asked about."""
    modes = sorted(set(rows["mode"]), key=mode_rank)
    mode = EAGER if EAGER in modes else (modes[0] if modes else "")
    own = rows[(rows["mode"] == mode) & rows["ok"] & rows["dispatch_share"].notna()]
    own = own.assign(
        share=own["dispatch_share"].clip(0, 1), low=own["dispatch_share_low"], high=own["dispatch_share_high"]
    )
    measured = len(own)
    if measured and mode == EAGER and (own["device_kind"] == "cpu").all():
        own = _on_cpu(own, rows)
    ends = own["low"].notna() & own["high"].notna()
    own = own.assign(low=own["low"].where(ends, own["share"]), high=own["high"].where(ends, own["share"]))
    return Shares(mode, own, measured - len(own))


def _on_cpu(own: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """There the share is nothing but what the fastest mode without Python saves: without one in the cell there is none,
    nor where eager differs from itself by too much. Its interval is that of the speed-up."""
    beside = fastest_without_python(rows)
    if beside.empty or math.isinf(threshold(noise_floor(rows).relative)):
        return own[:0]
    ends = beside[[*CELL_AXES, "speedup_low", "speedup_high"]]
    joined = own.reset_index().merge(ends, on=list(CELL_AXES), suffixes=("_own", "")).set_index("index")
    own = own[own.index.isin(joined.index)]
    for name, end in (("low", "speedup_low"), ("high", "speedup_high")):
        saved = 1 - 1 / joined[end].where(joined[end] > 0, np.nan)
        own = own.assign(**{name: own[name].fillna(saved)})
    # Of a table of another version the two may differ by a little.
    return own.assign(low=own[["low", "share"]].min(axis=1), high=own[["high", "share"]].max(axis=1))


def fastest_without_python(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each cell the row of the mode without Python that is fastest beside eager."""
    beside = compared(rows)
    beside = beside[beside["python_free"]].sort_values("speedup_vs_eager", ascending=False, kind="stable")
    return beside.drop_duplicates(list(CELL_AXES))
