"""How the frameworks of a slice compare: each mode of each beside its own imperative way, and per layer.

In: a slice over environments. Out: a Way for each mode, in the order of a page. Must not know pages or figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.core.schema import IMPERATIVE, STYLES
from harness.core.stats.intervals import Interval
from harness.report.table.slices import Slice

# Those that a figure and a sentence show themselves.
WITHOUT = frozenset({"environment"})
CALLS, US_A_SECOND = 1000, 1e6
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Way:
    """A mode of an environment in the cell that is shown. seconds: of 1,000 calls. times: as fast as the same
    environment's imperative way. layer_us: microseconds that one more layer takes. What is not known is NaN."""

    name: str
    row: Mapping[str, Any]
    seconds: Interval
    times: Interval
    layer_us: Interval

    @property
    def mode(self) -> str:
        return str(self.row["mode"])

    @property
    def style(self) -> str:
        return str(self.row["style"])

    @property
    def ok(self) -> bool:
        return bool(self.row["ok"])


@dataclass(frozen=True)
class Framework:
    """ways: imperative first, then as fast as they are, the fastest first; then those without a time."""

    name: str
    version: str
    ways: tuple[Way, ...]

    @property
    def timed(self) -> tuple[Way, ...]:
        return tuple(way for way in self.ways if way.ok)

    @property
    def imperative(self) -> Way | None:
        return next((way for way in self.timed if way.style == IMPERATIVE), None)

    @property
    def compiled(self) -> Way | None:
        """The fastest of the others; of a program that would run by itself too, else of a graph."""
        others = [way for way in self.timed if way.style not in ("", IMPERATIVE)]
        return min(others, key=lambda way: way.seconds.estimate, default=None)

    @property
    def fastest(self) -> Way | None:
        return min(self.timed, key=lambda way: way.seconds.estimate, default=None)

    @property
    def call_costs_us(self) -> Interval:
        """Microseconds that a call of the imperative way takes beyond the fastest compiled one: (1 - 1 / times) of it.
        The interval holds that of the ratio, which is paired within rounds, and that of the imperative way's time."""
        own, other = self.imperative, self.compiled
        if own is None or other is None or not other.times.estimate > 0:
            return UNKNOWN
        call = own.seconds.times(US_A_SECOND / CALLS)
        value, low, high = (
            call.estimate * (1 - 1 / end) if end > 0 else math.nan
            for end in (other.times.estimate, other.times.low, other.times.high)
        )
        of_time = abs(value) * call.relative_half_width
        return Interval(
            value, value - math.hypot(value - low, of_time), value + math.hypot(high - value, of_time)
        )

    @property
    def layer_costs_us(self) -> Interval:
        """The same of one more layer: the difference of both slopes, as if their errors had nothing in common."""
        own, other = self.imperative, self.compiled
        if own is None or other is None:
            return UNKNOWN
        value = own.layer_us.estimate - other.layer_us.estimate
        half = math.hypot(_half(own.layer_us), _half(other.layer_us))
        return Interval(value, value - half, value + half)


@dataclass(frozen=True)
class Comparison:
    """cell: depth and batch of what is shown, the one in which issuing costs most beside the work. depths: from which
    the time of a layer is told; fewer than two: it is not. frameworks: the fastest first."""

    part: Slice
    cell: tuple[int, int]
    depths: tuple[int, ...]
    frameworks: tuple[Framework, ...]


def is_compared(rows: pd.DataFrame) -> bool:
    """Whether more than one framework has a time."""
    return bool(_timed(rows)["framework"].replace("", np.nan).nunique() > 1)


def compared(part: Slice) -> Comparison:
    """part: without the axes of WITHOUT, and with several frameworks."""
    rows = part.rows
    depth, batch = _cell(rows)
    shown = rows[(rows["depth"] == depth) & (rows["batch"] == batch)]
    timed = _timed(rows[rows["batch"] == batch])
    depths = tuple(sorted({int(each) for each in timed["depth"]}))
    names = _names(shown)
    frameworks = [
        _framework(names[environment], own, timed[timed["environment"] == environment])
        for environment, own in shown.groupby("environment", sort=False)
    ]
    frameworks.sort(key=lambda each: each.fastest.seconds.estimate if each.fastest else math.inf)
    return Comparison(part, (depth, batch), depths, tuple(frameworks))


def style_rank(style: str) -> int:
    return STYLES.index(style) if style in STYLES else len(STYLES)


def _timed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["ok"] & (rows["step_us"] > 0)]


def _cell(rows: pd.DataFrame) -> tuple[int, int]:
    """The smallest batch and the deepest model there, of cells that hold most frameworks."""
    counts = _timed(rows).groupby(["depth", "batch"])["environment"].nunique()
    depth, batch = min(counts.index[counts == counts.max()], key=lambda cell: (cell[1], -cell[0]))
    return int(depth), int(batch)


def _names(rows: pd.DataFrame) -> dict[str, str]:
    """Environment -> what it is called: its framework, and itself where several have that one."""
    pairs = rows[["environment", "framework"]].drop_duplicates()
    often = pairs["framework"].value_counts()
    return {
        str(environment): f"{framework} ({environment})" if often[framework] > 1 else str(framework)
        for environment, framework in pairs.itertuples(index=False)
    }


def _framework(name: str, own: pd.DataFrame, over_depths: pd.DataFrame) -> Framework:
    ways = [_way(name, row, over_depths) for row in own.to_dict("records")]
    ways.sort(key=lambda way: (not way.ok, way.style != IMPERATIVE, way.seconds.estimate, way.mode))
    versions = [str(row["framework_version"]) for row in own.to_dict("records") if row["framework_version"]]
    return Framework(name, versions[0] if versions else "", tuple(ways))


def _way(name: str, row: Mapping[Any, Any], over_depths: pd.DataFrame) -> Way:
    if not row["ok"]:
        return Way(name, row, UNKNOWN, UNKNOWN, UNKNOWN)
    step = Interval(row["step_us"], row["step_us_low"], row["step_us_high"])
    times = Interval(row["speedup_vs_eager"], row["speedup_low"], row["speedup_high"])
    mode = over_depths[over_depths["mode"] == row["mode"]]
    return Way(
        name,
        row,
        step.times(CALLS / US_A_SECOND),
        UNKNOWN if row["style"] == IMPERATIVE else times,
        _slope(mode),
    )


def _slope(rows: pd.DataFrame) -> Interval:
    """Microseconds a layer: the line through the step times over depth (least squares), with the errors of the times
    as if they had nothing in common, which makes it rather too wide."""
    depths = rows["depth"].to_numpy(dtype=float)
    if len(set(depths)) < 2:
        return UNKNOWN
    weights = (depths - depths.mean()) / float(((depths - depths.mean()) ** 2).sum())
    slope = float(weights @ rows["step_us"].to_numpy(dtype=float))
    halves = ((rows["step_us_high"] - rows["step_us_low"]) / 2).to_numpy(dtype=float)
    half = float(np.sqrt(((weights * halves) ** 2).sum()))
    return Interval(slope, slope - half, slope + half)


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2
