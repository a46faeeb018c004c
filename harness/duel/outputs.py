"""Whether two environments compute the same: how far two outputs lie apart.

In: outputs as lists of numbers. Out: a difference, or Mismatch. Must not know torch, nor where outputs come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.core.stats.tolerance import LEAST_SHARE, TOLERANCE
from harness.duel.driven import A

Output = Sequence[Sequence[float]]


class Mismatch(Exception):
    """An arm's output is not A's; the message is one line."""


def check(outputs: Mapping[str, Output], dtype: str) -> None:
    """Each arm's against A's. Raises Mismatch."""
    for arm, output in outputs.items():
        gap = difference(output, outputs[A])
        if not gap <= TOLERANCE[dtype]:
            raise Mismatch(
                f"{arm}'s output differs from {A}'s by {gap:.2g} of its largest value, more than "
                f"{TOLERANCE[dtype]:g} for {dtype}"
            )


def difference(ours: Output, theirs: Output) -> float:
    """Largest difference of any tensor, relative to its largest finite value of `theirs`, or to LEAST_SHARE of that of
    all (as harness.workloads.comparison has it for tensors). Infinite where numbers of values differ, or one is no
    number."""
    if [len(tensor) for tensor in ours] != [len(tensor) for tensor in theirs]:
        return math.inf
    largest = [
        max((abs(value) for value in tensor if math.isfinite(value)), default=0.0) for tensor in theirs
    ]
    least = LEAST_SHARE * max(
        (size for size, each in zip(largest, theirs, strict=True) if len(each) > 1), default=0
    )
    worst = 0.0
    for mine, other, size in zip(ours, theirs, largest, strict=True):
        scale = max(size, least if len(other) > 1 else 0.0) or 1.0
        for one, two in zip(mine, other, strict=True):
            gap = 0.0 if one == two else abs(one - two) / scale
            worst = max(worst, gap if gap == gap else math.inf)
    return worst
