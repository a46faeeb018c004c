"""What the repeats of a duel show: intervals of ratios, the noise floor, verdicts.

In: a ratio of each repeat, cell and contrast. Out: a Judgement. Must not know how anything was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from harness.core.stats.intervals import Error, Interval, over_sessions
from harness.core.stats.verdicts import UNDECIDED, verdict
from harness.duel.contrasts import NULL

# As harness.analysis.noise has it for the nulls of a run.
_OF_NULLS = 20

# Contrast -> a ratio of each repeat.
Ratios = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Finding:
    """A ratio above 1: the second arm is faster."""

    ratio: Interval
    verdict: str


@dataclass(frozen=True)
class Judgement:
    """floor: by how much A differs from itself here. found: by contrast."""

    floor: float
    found: Mapping[str, Finding]

    @property
    def is_decided(self) -> bool:
        """Whether there is a verdict on everything but A beside itself."""
        return all(each.verdict != UNDECIDED for name, each in self.found.items() if name != NULL)


def judged(cells: Mapping[str, Ratios], wider: float) -> tuple[dict[str, Judgement], Judgement]:
    """Of each cell, and of all together. wider: than an interval that is looked at once.

    A cell's floor is that of the cells' nulls (what 95 of 100 stay below). All cells of a repeat share its processes:
    so together they are the geometric mean of the cells' ratios within each repeat, and the repeats are the level of
    the interval again. Raises ValueError if there are no cells.
    """
    floor = floor_of([_apart(over_sessions(ratios[NULL]).estimate) for ratios in cells.values()])
    together = _together(list(cells.values()))
    overall_floor = _apart(over_sessions(together[NULL]).estimate)
    return {key: _of(ratios, floor, wider) for key, ratios in cells.items()}, _of(
        together, overall_floor, wider
    )


def floor_of(nulls: Sequence[float]) -> float:
    return quantiles(nulls, n=_OF_NULLS, method="inclusive")[-1] if len(nulls) > 1 else nulls[0]


def _apart(ratio: float) -> float:
    """The relative difference, the same whichever is divided by the other."""
    return math.expm1(abs(math.log(ratio)))


def _together(cells: Sequence[Ratios]) -> dict[str, list[float]]:
    return {
        name: [
            math.exp(fmean(map(math.log, of_repeat)))
            for of_repeat in zip(*(ratios[name] for ratios in cells), strict=True)
        ]
        for name in cells[0]
    }


def _of(ratios: Ratios, floor: float, wider: float) -> Judgement:
    found = {}
    for name, values in ratios.items():
        interval = widened(over_sessions(values), wider).interval()
        found[name] = Finding(interval, verdict(interval.low, interval.high, floor))
    return Judgement(floor, found)


def widened(error: Error, wider: float) -> Error:
    return Error(error.estimate, error.standard * wider, error.dof)
