"""Sessions in which one point was disturbed, and so say nothing of what it usually takes.

In: what each session of a run found of its points. Out: the same without those. Must not know what is compared.

What happens to a machine for some hundred milliseconds (another guest, a page cache that is written) falls on one cell
of one session: there a point takes 5 to 40 % longer than in its other sessions, which lie within a per cent. In a mean
of five it hides what is sought, and its variance more so. Whether a value is one of those is told by the noise of all
points of the run (the median of absolute deviations, Rousseeuw and Croux, JASA 88, 1993), which such values do not
move. Of five sessions one may be left out: a point that is often elsewhere is not disturbed but unsteady, and keeps
all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from harness.core.stats.intervals import Error, over_sessions

# Of a normal distribution: its standard deviation over the median of what values are away from their middle.
_OVER_MEDIAN = 1.4826
# Standard deviations beyond which a value is not of the same kind: of 5,000 normal values one is farther than 3.7 from
# their mean, and with a deviation that is itself estimated more are.
FAR = 5.0
# At most one session in so many is left out.
ONE_IN = 5


@dataclass(frozen=True)
class Steady:
    """error: of what sessions agree on, without those that were disturbed. disturbed: how many were left out."""

    error: Error
    disturbed: int = 0


def usual_noise(points: Iterable[Sequence[float]]) -> float:
    """Standard deviation of the logarithm of a session's value about its point's; 0 where no point has three sessions.

    points: the values of each point's sessions, all above 0.
    """
    away = [
        abs(math.log(value) - centre) * _of_few(len(values))
        for values in points
        if len(values) > 2
        for centre in [median(map(math.log, values))]
        for value in values
    ]
    return _OVER_MEDIAN * median(away) if away else 0.0


def steady(values: Sequence[float], noise: float) -> Steady:
    """noise: usual_noise of the run. Raises ValueError if there are no values."""
    centre = median(map(math.log, values)) if values else 0.0
    kept = [value for value in values if abs(math.log(value) - centre) <= FAR * noise]
    disturbed = len(values) - len(kept)
    if not noise or disturbed > len(values) // ONE_IN:
        return Steady(over_sessions(values))
    return Steady(over_sessions(kept), disturbed)


def _of_few(count: int) -> float:
    """What the median of deviations from a sample's own median falls short by (Croux and Rousseeuw, COMPSTAT 1992)."""
    return count / (count - 0.8)
