"""How often printed intervals hold what other runs found: cases, their coverage, and how sure that is.

In: a row a run and point, with a value and an interval. Out: shares. Must not know the harness: synthetic runs prove
the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

LEAST, MOST = 0.90, 0.99


@dataclass(frozen=True)
class Holding:
    """What was found of one quantity. share: of cases that hold; low, high: 95 % interval of it, by resampling whole
    runs. spread: standard deviation between runs of a point's logarithm, half_width: printed, relative; medians over
    points and cases. empty: cases that printed no interval, which are not counted."""

    cases: int
    empty: int
    share: float
    low: float
    high: float
    spread: float
    half_width: float

    def meets(self, width_limit: float) -> bool:
        """Whether the share is what 95 % promises. More than MOST is a fault only of intervals that are too wide."""
        if not self.cases or self.share < LEAST:
            return False
        return self.share <= MOST or self.half_width <= width_limit


def held_by_others(table: pd.DataFrame) -> pd.DataFrame:
    """The cases, with a column `held`: whether [low, high] includes the median of the point's values in other runs.

    table: columns run, key, value, low, high; a row a run and point. A point of one run only is no case.
    """
    values = table.pivot(index="run", columns="key", values="value")
    others = pd.DataFrame(
        {key: [column.drop(run).median() for run in column.index] for key, column in values.items()},
        index=values.index,
    )
    pooled = others.stack().rename("others")
    cases = table.join(pooled, on=["run", "key"]).dropna(subset=["others", "low", "high"])
    return cases.assign(held=(cases["low"] <= cases["others"]) & (cases["others"] <= cases["high"]))


def holding_one(table: pd.DataFrame) -> pd.DataFrame:
    """As held_by_others, of what is 1 in truth: the comparison of a thing with itself."""
    cases = table.dropna(subset=["low", "high"])
    return cases.assign(held=(cases["low"] <= 1) & (cases["high"] >= 1))


def summary(table: pd.DataFrame, cases: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> Holding:
    """table: as held_by_others takes it; cases: as it answers."""
    low, high = share_interval(cases, resamples, seed)
    spread = np.log(table["value"]).groupby(table["key"]).std().median()
    half_width = ((cases["high"] - cases["low"]) / 2 / cases["value"]).median()
    share = float(cases["held"].mean()) if len(cases) else float("nan")
    empty = int(table["low"].isna().sum())
    return Holding(len(cases), empty, share, low, high, float(spread), float(half_width))


def share_interval(cases: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of the share that is held. Runs are drawn as wholes: the cases of one run go together."""
    by_run = cases.groupby("run")["held"].agg(["sum", "size"]).to_numpy(dtype=float)
    if not len(by_run):
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(by_run), size=(resamples, len(by_run)))
    held, of = by_run[drawn].sum(axis=1).T
    low, high = np.quantile(held / of, [0.025, 0.975])
    return float(low), float(high)
