"""How far two contours lie apart, in steps of the grid.

In: contours. Out: distances. Must not know how they are found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.crossover.values import BELOW, BEYOND, At


def between(contour: Sequence[At], depth: float) -> At | None:
    """A contour at any depth, from those beside it; None where it does not reach there."""
    exact = next((at for at in contour if math.isclose(at.depth, depth)), None)
    if exact:
        return exact
    below = [at for at in contour if at.depth < depth]
    above = [at for at in contour if at.depth > depth]
    if not below or not above:
        return None
    one, other = below[-1], above[0]
    part = math.log(depth / one.depth) / math.log(other.depth / one.depth)
    batch, low, high, least, most = (
        _mixed(getattr(one, name), getattr(other, name), part)
        for name in ("batch", "low", "high", "least", "most")
    )
    return At(depth, batch, low, high, least, most, False)


def _mixed(one: float, other: float, part: float) -> float:
    """On a logarithmic axis; between a number and none, the nearer of both."""
    if min(one, other) <= 0 or math.isinf(max(one, other)):
        return one if part < 0.5 else other
    return math.exp((1 - part) * math.log(one) + part * math.log(other))


def steps_apart(one: At, other: At, step: float) -> float:
    """step: by what factor neighbouring batches differ. A contour that lies beyond what is known is anywhere there."""
    low, high = sorted((_range(one), _range(other)))
    return max(math.log(high[0]) - math.log(low[1]), 0.0) / math.log(step) if low[1] < high[0] else 0.0


def _range(at: At) -> tuple[float, float]:
    if at.side == BELOW:
        return (0.0, at.least)
    return (at.most, math.inf) if at.side == BEYOND else (at.batch, at.batch)
