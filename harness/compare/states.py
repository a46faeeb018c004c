"""How fast the machine was in each session of two runs, by what other cells took there.

In: what each session found of the reference mode's points, in both runs. Out: a point's times over that. Must not know
rows, nor verdicts.

A machine that is slow for an hour is slow for all cells of a run, and a change of one point is a change beside the
others. So the state of a session is the median over other cells' reference points of their time there over what they
took in the first run: the median, so that it stands while fewer than half of them have changed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median

from harness.compare.disturbed import Steady, steady, usual_noise
from harness.core.stats.spread import Spread

# Of fewer other cells the median is hardly more than one of them.
FEWEST_OTHERS = 4
# Of a normal distribution: its standard deviation over the median of what values are away from 0.
_OVER_MEDIAN = 1.4826
# Of that median: so many values know a standard deviation as well as 0.37 times as many would by their squares.
_EFFICIENCY = 0.37

# Session -> time.
Times = Mapping[str, float]


class Others:
    """times: cell -> time over what is usual. Sorted once: of thousands of cells each is left out in turn."""

    def __init__(self, times: Mapping[str, float]) -> None:
        self._times, self._sorted = times, sorted(times.values())

    def without(self, cell: str) -> float | None:
        """The median over the other cells; None where they are too few."""
        values, own = self._sorted, self._times.get(cell)
        left = len(values) - (own is not None)
        if left < FEWEST_OTHERS:
            return None
        place = len(values) if own is None else bisect_left(values, own)

        def at(rank: int) -> float:
            return values[rank if rank < place else rank + 1]

        return (at((left - 1) // 2) + at(left // 2)) / 2


@dataclass(frozen=True)
class States:
    """a, b: cell -> time of its reference point in each session, in both runs; the same cells in both."""

    a: Mapping[str, Times]
    b: Mapping[str, Times]

    def speed(self, cell: str, of_a: Times, of_b: Times) -> Steady | None:
        """B's speed over A's of a point of this cell, beside all other cells; None where they are too few."""
        found, further = self._speed(cell, of_a, of_b), self.between_cells
        if found is None or further is None or not found.error.dof > 0:
            return found
        return replace(found, error=found.error.further(further.sd, further.dof))

    @cached_property
    def between_cells(self) -> Spread | None:
        """What cells differ by from one run to the other beyond what their sessions show: a component of variance, by
        the median over cells, which a few that changed do not move. None where there are too few cells."""
        speeds = [self._speed(cell, self.a[cell], self.b[cell]) for cell in self.a]
        errors = [each.error for each in speeds if each is not None and each.error.dof > 0]
        found = [(math.log(error.estimate), error.standard) for error in errors]
        if len(found) <= FEWEST_OTHERS:
            return None
        apart = _OVER_MEDIAN * median(abs(log) for log, _ in found)
        own = median(standard**2 for _, standard in found)
        return Spread(math.sqrt(max(apart**2 - own, 0.0)), _EFFICIENCY * (len(found) - 1))

    def _speed(self, cell: str, of_a: Times, of_b: Times) -> Steady | None:
        sides = []
        for times, states, noise in zip((of_a, of_b), self._of_sessions, self._noise, strict=True):
            beside = _beside(cell, times, states)
            if not beside:
                return None
            sides.append(steady(beside, noise))
        ours, theirs = sides
        return Steady(ours.error.over(theirs.error), ours.disturbed + theirs.disturbed)

    @cached_property
    def _noise(self) -> tuple[float, float]:
        """Of the reference mode in the sessions of both runs, beside the other cells."""
        of_a, of_b = (
            usual_noise(_beside(cell, times, states) for cell, times in references.items())
            for references, states in zip((self.a, self.b), self._of_sessions, strict=True)
        )
        return of_a, of_b

    @cached_property
    def _of_sessions(self) -> tuple[dict[str, Others], dict[str, Others]]:
        """Of both runs: session -> its cells' times over what is usual."""
        found: list[dict[str, dict[str, float]]] = [{}, {}]
        for references, sessions in zip((self.a, self.b), found, strict=True):
            for cell, times in references.items():
                for session, time in times.items():
                    sessions.setdefault(session, {})[cell] = time / self._usual[cell]
        of_a, of_b = ({name: Others(times) for name, times in sessions.items()} for sessions in found)
        return of_a, of_b

    @cached_property
    def _usual(self) -> dict[str, float]:
        """Cell -> what its reference point took in A, the geometric mean over sessions."""
        return {cell: math.exp(fmean(map(math.log, times.values()))) for cell, times in self.a.items()}


def _beside(cell: str, times: Times, states: Mapping[str, Others]) -> list[float]:
    """Of the sessions in which enough other cells were measured."""
    found = ((time, states[session].without(cell)) for session, time in times.items() if session in states)
    return [time / state for time, state in found if state is not None]
