"""Components of variance of nested repeats, and what an interval of one level alone would cover.

In: arrays of logarithms, a level an axis. Out: numbers. Must not know the harness: synthetic values prove
the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]


def components(values: Values) -> list[float]:
    """Variance that each level adds, from the outermost to the innermost, of a balanced nested design.

    values: an axis a level, outermost first, each at least 2 long. Nested analysis of variance by the method of
    moments; an estimate below 0 is 0 (Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013, 6.2).

    Raises ValueError for an axis that is shorter.
    """
    if min(values.shape) < 2:
        raise ValueError(f"a level with one repeat has no variance: {values.shape}")
    # Of each level's means within their parent: their variance holds that of all levels below, over their number.
    between: list[float] = []
    means = values
    for _ in values.shape:
        between.append(float(means.var(axis=-1, ddof=1).mean()))
        means = means.mean(axis=-1)
    below = [0.0] + [inner / count for inner, count in zip(between, values.shape[::-1], strict=True)]
    return [max(0.0, whole - part) for whole, part in zip(between, below, strict=False)][::-1]


def coverage_of_level(
    variances: Sequence[float], counts: Sequence[int], level: int, within: int, confidence: float = 0.95
) -> float:
    """How often an interval of the units of one level, taken as independent, holds the true mean.

    variances, counts: of each level, outermost first; counts within the level above. The units are all those of the
    level within one unit of level `within` - 1 (of the whole for 0), with means over what is below them. Exact
    where all effects are normal and the level is the first within; else for as many degrees of freedom as units.
    """
    units = math.prod(counts[within : level + 1])
    if units < 2:
        return math.nan
    # seen: expected variance of the units; truth: variance of their mean about the true one.
    seen = truth = 0.0
    for other, variance in enumerate(variances):
        if other < within:
            truth += variance
        elif other <= level:
            shared = math.prod(counts[other + 1 : level + 1])  # units that have this effect in common
            seen += variance * (units - shared) / (units - 1)
            truth += variance * shared / units
        else:
            below = variance / math.prod(counts[level + 1 : other + 1])
            seen += below
            truth += below / units
    if truth == 0:
        return 1.0
    half = stats.t.ppf((1 + confidence) / 2, units - 1) * math.sqrt(seen / units / truth)
    return float(2 * stats.t.cdf(half, units - 1) - 1)


def relative_percent(variance: float) -> float:
    """A variance of logarithms as a relative standard deviation, %."""
    return 100 * math.sqrt(math.expm1(variance))


def balanced(values: Sequence[object]) -> list[object]:
    """Nested lists cut to the shortest of each level, so that they make an array; numbers at the innermost."""
    depth, level = 0, list(values)
    shortest: list[int] = []
    while level and isinstance(level[0], list):
        shortest.append(min(len(each) for each in level if isinstance(each, list)))
        level = [inner for each in level if isinstance(each, list) for inner in each[: shortest[-1]]]
        depth += 1

    def cut(each: object, at: int) -> object:
        if not isinstance(each, list):
            return each
        return [cut(inner, at + 1) for inner in each[: shortest[at]]]

    return [cut(each, 0) for each in values]
