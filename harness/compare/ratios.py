"""B's speed over A's at one point, by the way that knows it best.

In: two Sides. Out: a Ratio a point. Must not know verdicts of points, nor how they are shown.

A shared machine is some per cent slower in one hour than in the next, so that two step times say little of each other.
What was measured beside the same thing in both runs does: the points of a cell
beside one of them, whose blocks were in the same rounds; and that one (harness.compare.anchor) beside the eager of all
other cells, in the same sessions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.by_session import SPEEDUP, STEP
from harness.compare.anchor import anchor_of
from harness.compare.disturbed import Steady, steady, usual_noise
from harness.compare.moderated import moderated
from harness.compare.side import Side
from harness.compare.states import States
from harness.core import axes
from harness.core.schema import REFERENCE_MODE
from harness.core.stats.intervals import Error

# By what a ratio was had: EAGER, of the same cell, or another mode's name; OTHER_CELLS, their eager; TIMES, both step
# times, with how far the machine drifts from one sweep to the next.
EAGER, OTHER_CELLS, TIMES = REFERENCE_MODE, "other cells", "step times"

# Of the logarithm: beyond it nothing is known (a factor of 20,000), and ends of intervals are no numbers.
_MOST_STANDARD = 10.0

Values = Mapping[str, object]
Place = tuple[object, ...]


@dataclass(frozen=True)
class Pair:
    """A point of both runs: its row in A, and in B."""

    a: Values
    b: Values

    @property
    def key(self) -> str:
        return str(self.a["key"])

    @property
    def mode(self) -> str:
        return str(self.a[axes.MODE])

    @property
    def is_reference(self) -> bool:
        return self.mode == REFERENCE_MODE

    @property
    def ladder(self) -> Place:
        """Shared with the reference that it is compared with."""
        return tuple(self.a[name] for name in axes.LADDER)


@dataclass(frozen=True)
class Ratio:
    """error: B's speed over A's, above 1 where B is faster. through: a mode, OTHER_CELLS or TIMES. disturbed: sessions
    of both runs that were left out (harness.compare.disturbed)."""

    error: Error
    through: str
    disturbed: int = 0


def ratios(a: Side, b: Side, pairs: list[Pair], paired: bool) -> dict[str, Ratio]:
    """By key; of points without a step time none. paired: whether what was measured beside them may be held against
    each other; if not, step times alone are."""
    direct = {pair.key: Ratio(error, TIMES) for pair, error in _direct(a, b, pairs)}
    if not paired:
        return {key: _bounded(ratio) for key, ratio in direct.items()}
    beside = _leaning_on_each_other(_beside_other_cells(a, b, pairs))
    within = _leaning_on_each_other(
        _within_cells(a, b, pairs, {key: each.error for key, each in beside.items()})
    )
    return {
        pair.key: _bounded(each[pair.key])
        for pair in pairs
        for each in [next((way for way in (within, beside, direct) if pair.key in way), None)]
        if each is not None
    }


def _bounded(ratio: Ratio) -> Ratio:
    """What a file of anybody's says may be no number of ours."""
    if ratio.error.standard < _MOST_STANDARD:
        return ratio
    return replace(ratio, error=Error(ratio.error.estimate, math.nan, 0))


def _leaning_on_each_other(found: Mapping[str, Ratio]) -> dict[str, Ratio]:
    """Of those that were had in the same way, whose noise is alike."""
    errors = moderated({key: ratio.error for key, ratio in found.items()})
    return {key: replace(ratio, error=errors[key]) for key, ratio in found.items()}


def _beside_other_cells(a: Side, b: Side, pairs: Sequence[Pair]) -> dict[str, Ratio]:
    states, found = _states(a, b, pairs), {}
    for pair in pairs:
        ours = [side.by_session.get(pair.key) for side in (a, b)]
        if ours[0] and ours[1]:
            speed = states.speed(_name(pair), ours[0].values[STEP], ours[1].values[STEP])
            if speed is not None and speed.error.dof > 0:
                found[pair.key] = Ratio(speed.error, OTHER_CELLS, speed.disturbed)
    return found


def _within_cells(a: Side, b: Side, pairs: Sequence[Pair], beside: Mapping[str, Error]) -> dict[str, Ratio]:
    """Of all but the point of each cell that its others are held against."""
    cells: dict[Place, list[Pair]] = defaultdict(list)
    for pair in pairs:
        cells[pair.ladder].append(pair)
    found: dict[str, Ratio] = {}
    of_both = (_Speedups(a, [pair.a for pair in pairs]), _Speedups(b, [pair.b for pair in pairs]))
    for cell in cells.values():
        rows = {pair.key: pair for pair in cell}
        # The rounds of eager may be there where its point was left out.
        reference = next((pair.key for pair in cell if pair.is_reference), "")
        anchor = anchor_of(reference, [key for key in rows if key != reference], beside)
        for pair in cell:
            if anchor is None and pair.key in beside:
                continue
            # Rather by a reference that may have changed than by times.
            held = rows.get(reference if anchor is None else anchor)
            of_a, of_b = (each.over(pair, held) for each in of_both)
            if of_a and of_b:
                through = held.mode if held else REFERENCE_MODE
                found[pair.key] = Ratio(of_b.error.over(of_a.error), through, of_a.disturbed + of_b.disturbed)
    return found


class _Speedups:
    """Of one run's points over others of their cells, of the same rounds."""

    def __init__(self, side: Side, rows: Iterable[Values]) -> None:
        self._printed = {str(row["key"]): side.speedup(row) for row in rows}
        self._sessions = {key: of_point.values[SPEEDUP] for key, of_point in side.by_session.items()}
        self._noise = usual_noise([list(values.values()) for values in self._sessions.values()])

    def over(self, pair: Pair, held: Pair | None) -> Steady | None:
        """held: None for eager. None where the run does not say, and of a point over itself."""
        if held is not None and held.key == pair.key:
            return None
        own = self._sessions.get(pair.key, {})
        if held is None or held.is_reference:
            printed = self._printed[pair.key]
            if printed is None:
                return None
            # What one session alone says is known by what was measured before it.
            return steady(list(own.values()), self._noise) if len(own) > 1 else Steady(printed)
        theirs = self._sessions.get(held.key, {})
        if pair.is_reference:
            own = dict.fromkeys(theirs, 1.0)
        values = [own[name] / theirs[name] for name in theirs if name in own]
        return steady(values, self._noise) if len(values) > 1 else None


def _direct(a: Side, b: Side, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Error]]:
    for pair in pairs:
        of_a, of_b = a.step(pair.a), b.step(pair.b)
        if of_a and of_b:
            yield pair, of_a.over(of_b)


def _states(a: Side, b: Side, pairs: Sequence[Pair]) -> States:
    of_both: list[dict[str, Mapping[str, float]]] = [{}, {}]
    for pair in pairs:
        found = [side.by_session.get(pair.key) for side in (a, b)]
        if pair.is_reference and all(each and each.values[STEP] for each in found):
            for times, each in zip(of_both, found, strict=True):
                if each:
                    times[_name(pair)] = each.values[STEP]
    return States(*of_both)


def _name(pair: Pair) -> str:
    """Of its cell and environment."""
    return "\x1f".join(map(str, pair.ladder))
