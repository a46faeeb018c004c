"""B's speed over A's at one point, by the way that knows it best.

In: two Sides. Out: a Ratio a point. Must not know verdicts of points, nor how they are shown.

A shared machine is some per cent slower in one hour than in the next, so that two step times say little of each other.
What was measured beside the same thing in both runs does: a mode beside the eager of its cell, whose blocks were in the
same rounds; and eager beside the eager of all other cells, in the same sessions. An eager that changed itself is no
reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.by_session import SPEEDUP, STEP
from harness.compare.corrected import CHANCE, at_level
from harness.compare.disturbed import Steady, steady, usual_noise
from harness.compare.moderated import moderated
from harness.compare.side import Side
from harness.compare.states import States
from harness.core import axes
from harness.core.schema import REFERENCE_MODE
from harness.core.stats.intervals import Error
from harness.core.stats.verdicts import FASTER, SLOWER, verdict

# By what a ratio was had: EAGER, of the same cell; OTHER_CELLS, their eager; TIMES, both step times, with how far the
# machine drifts from one sweep to the next.
EAGER, OTHER_CELLS, TIMES = "eager", "other cells", "step times"

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
    def is_reference(self) -> bool:
        return self.a[axes.MODE] == REFERENCE_MODE

    @property
    def ladder(self) -> Place:
        """Shared with the reference that it is compared with."""
        return tuple(self.a[name] for name in axes.LADDER)


@dataclass(frozen=True)
class Ratio:
    """error: B's speed over A's, above 1 where B is faster. through: EAGER, OTHER_CELLS or TIMES. disturbed: sessions
    of both runs that were left out (harness.compare.disturbed)."""

    error: Error
    through: str
    disturbed: int = 0


def ratios(
    a: Side, b: Side, pairs: list[Pair], floors: Mapping[str, float], paired: bool
) -> dict[str, Ratio]:
    """By key; of points without a step time none. floors: by key. paired: whether what was measured beside them may be
    held against each other; if not, step times alone are."""
    if not paired:
        return {key: _bounded(ratio) for key, ratio in _direct(a, b, pairs)}
    states, speedups = _states(a, b, pairs), (_speedups(a, pairs, "a"), _speedups(b, pairs, "b"))
    found: dict[str, Ratio] = {}
    changed: set[Place] = set()
    for pair in sorted(pairs, key=lambda each: not each.is_reference):
        of_both = [of_side.get(pair.key) for of_side in speedups]
        ratio = _of_pair(a, b, pair, states, of_both, use_reference=pair.ladder not in changed)
        if ratio is None:
            continue
        found[pair.key] = ratio = _bounded(ratio)
        if pair.is_reference and ratio.through == OTHER_CELLS:
            interval = at_level(ratio.error, CHANCE)
            if verdict(interval.low, interval.high, floors.get(pair.key, float("nan"))) in (FASTER, SLOWER):
                changed.add(pair.ladder)
    return _leaning_on_each_other(found)


def _bounded(ratio: Ratio) -> Ratio:
    """What a file of anybody's says may be no number of ours."""
    if ratio.error.standard < _MOST_STANDARD:
        return ratio
    return replace(ratio, error=Error(ratio.error.estimate, math.nan, 0))


def _leaning_on_each_other(found: Mapping[str, Ratio]) -> dict[str, Ratio]:
    """Of those that were had in the same way, whose noise is alike."""
    result = dict(found)
    for way in (EAGER, OTHER_CELLS):
        errors = moderated({key: ratio.error for key, ratio in found.items() if ratio.through == way})
        result |= {key: replace(found[key], error=error) for key, error in errors.items()}
    return result


def _of_pair(
    a: Side, b: Side, pair: Pair, states: States, speedups: Sequence[Steady | None], *, use_reference: bool
) -> Ratio | None:
    of_a, of_b = speedups
    through_eager = _speed(of_b, of_a, EAGER) if of_a and of_b else None
    if use_reference and through_eager:
        return through_eager
    ours = [side.by_session.get(pair.key) for side in (a, b)]
    if ours[0] and ours[1]:
        found = states.speed(_name(pair), ours[0].values[STEP], ours[1].values[STEP])
        if found is not None and found.error.dof > 0:
            return Ratio(found.error, OTHER_CELLS, found.disturbed)
    # Rather by a reference that may have changed than by times: without other cells nobody can tell.
    return through_eager or next((ratio for _, ratio in _direct(a, b, [pair])), None)


def _speed(more: Steady, less: Steady, through: str) -> Ratio:
    return Ratio(more.error.over(less.error), through, more.disturbed + less.disturbed)


def _speedups(side: Side, pairs: Sequence[Pair], which: str) -> dict[str, Steady]:
    """By key, of one run: over eager, of the same rounds. which: the name of the run's row in a pair."""
    sessions = {key: list(of_point.values[SPEEDUP].values()) for key, of_point in side.by_session.items()}
    noise = usual_noise(sessions.values())
    found = {}
    for pair in pairs:
        printed = side.speedup(getattr(pair, which))
        values = sessions.get(pair.key, [])
        if printed is not None:
            # What one session alone says is known by what was measured before it.
            found[pair.key] = steady(values, noise) if len(values) > 1 else Steady(printed)
    return found


def _direct(a: Side, b: Side, pairs: list[Pair]) -> Iterator[tuple[str, Ratio]]:
    for pair in pairs:
        of_a, of_b = a.step(pair.a), b.step(pair.b)
        if of_a and of_b:
            yield pair.key, Ratio(of_a.over(of_b), TIMES)


def _states(a: Side, b: Side, pairs: list[Pair]) -> States:
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
