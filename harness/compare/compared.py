"""A run held against the first: verdicts on points, what all of them say together, what was left out and why.

In: Sides. Out: a Comparison of each further run. Must not know how anything is shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pandas as pd

from harness.analysis.noise import noise_floor
from harness.compare import facts
from harness.compare.corrected import CHANCE, CHANGED, at_level, verdicts
from harness.compare.left_out import LeftOut, differing_warnings, left_out
from harness.compare.ratios import TIMES, Pair, Ratio, ratios
from harness.compare.side import Side
from harness.core import axes
from harness.core.errors import HarnessError
from harness.core.stats.intervals import Error, Interval
from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED
from harness.core.warnings import names

# In the order in which they are counted.
VERDICTS = (SLOWER, FASTER, SAME, UNDECIDED)


class OtherMachine(HarnessError):
    """The two runs are of two machines."""

    exit_status = 2


@dataclass(frozen=True)
class Judged:
    """ratio: B's speed over A's, with an interval of 95 %; verdict: corrected for the number of comparisons."""

    ratio: Interval
    verdict: str


@dataclass(frozen=True)
class Row:
    """A point of both runs. axes: name -> value. a_us, b_us: of a step, each in the machine's state of its run.
    through: by what the ratio was had (harness.compare.ratios). warnings: of either run. disturbed: sessions that were
    left out of the ratio (harness.compare.disturbed)."""

    key: str
    axes: Mapping[str, object]
    a_us: float
    b_us: float
    judged: Judged
    through: str
    warnings: tuple[str, ...] = ()
    disturbed: int = 0

    @property
    def impact_us(self) -> float:
        """What a step takes more in B, at the machine's state in A; below 0 where it takes less."""
        return self.a_us * (1 / self.judged.ratio.estimate - 1)


@dataclass(frozen=True)
class Comparison:
    """B beside A. overall: of all points that were had through a reference, or of all where none was; common: what the
    points' step times have in common, which may be the machine's. None where there is no such thing. floor: noise
    floor. differences: fact, A's, b's. is_change: False where the two are of different machines."""

    a: str
    b: str
    rows: tuple[Row, ...]
    overall: Judged | None
    common: Judged | None
    floor: float
    left_out: tuple[LeftOut, ...]
    differences: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    is_change: bool = True

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> points."""
        found = Counter(row.judged.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def movers(self) -> list[Row]:
        """Points that changed, by microseconds, the largest first."""
        return sorted(
            (row for row in self.rows if row.judged.verdict in CHANGED), key=lambda row: -abs(row.impact_us)
        )

    @property
    def all_verdicts(self) -> list[str]:
        """Of points, of all together, of what they have in common."""
        together = [each.verdict for each in (self.overall, self.common) if each]
        return [*(row.judged.verdict for row in self.rows), *together]


def compared(sides: Sequence[Side], *, across_machines: bool = False) -> list[Comparison]:
    """Each against the first. Verdicts are corrected for the points of all of them.

    Raises OtherMachine where one was measured on another machine, unless across_machines.
    """
    first, *others = sides
    for number, other in enumerate(others):
        if not across_machines and (why := facts.apart(first.facts, other.facts)):
            why = why.replace(" in B", f" in {letter(number + 1)}")
            raise OtherMachine(
                f"{other.label} is no measurement of a change since {first.label}: another machine ({why}). "
                "--across-machines shows the two machines beside each other"
            )
    drafts = [_draft(first, other) for other in others]
    flat = verdicts([claim for draft in drafts for claim in draft.claims])
    found, place = [], 0
    for draft in drafts:
        own = flat[place : place + len(draft.claims)]
        place += len(draft.claims)
        found.append(draft.judged(own))
    return found


def letter(number: int) -> str:
    """A, B, C, ..., and numbers beyond."""
    return chr(ord("A") + number) if number < 26 else f"run {number + 1}"


@dataclass(frozen=True)
class _Draft:
    """A comparison whose verdicts are not known yet. claims: of its points, of all together and in common."""

    comparison: Comparison
    claims: list[tuple[Error, float]]

    def judged(self, verdicts: Sequence[str]) -> Comparison:
        each = iter(verdicts)
        rows = tuple(
            replace(row, judged=replace(row.judged, verdict=next(each))) for row in self.comparison.rows
        )
        together = {
            name: replace(judged, verdict=next(each))
            for name in ("overall", "common")
            if (judged := getattr(self.comparison, name)) is not None
        }
        return replace(self.comparison, rows=rows, **together)


def _draft(a: Side, b: Side) -> _Draft:
    is_change = not facts.apart(a.facts, b.facts)
    pairs, out = left_out(a, b)
    floors = _floors(a, b, pairs)
    found = ratios(a, b, pairs, paired=is_change)
    rows = [_row(pair, found[pair.key]) for pair in pairs if pair.key in found]
    errors = {key: ratio.error for key, ratio in found.items()}
    own = [errors[key] for key, ratio in found.items() if ratio.through != TIMES] or list(errors.values())
    floor = max((value for value in floors.values() if not math.isnan(value)), default=math.nan)
    overall, common = together(own), _common(a, b, pairs) if is_change else None
    claims = [(errors[row.key], floors[row.key]) for row in rows]
    claims += [(each, floor) for each in (overall, common) if each is not None]
    comparison = Comparison(
        a.label,
        b.label,
        tuple(rows),
        _undecided(overall),
        _undecided(common),
        floor,
        tuple(out),
        tuple(facts.differing(a.facts, b.facts)),
        (*_alarms(a, b), *differing_warnings(pairs), *_unknown(a, b)),
        is_change,
    )
    return _Draft(comparison, claims)


def _row(pair: Pair, ratio: Ratio) -> Row:
    warnings = dict.fromkeys((*names(pair.a["warnings"]), *names(pair.b["warnings"])))
    values = {name: pair.a[name] for name in axes.AXES}
    a_us, b_us = float(str(pair.a["step_us"])), float(str(pair.b["step_us"]))
    return Row(
        pair.key,
        values,
        a_us,
        b_us,
        Judged(at_level(ratio.error, CHANCE), UNDECIDED),
        ratio.through,
        tuple(warnings),
        ratio.disturbed,
    )


def together(errors: Sequence[Error]) -> Error | None:
    """The geometric mean. The points of a run share its sessions: as if all of them erred alike, which is the most that
    they can."""
    known = [error for error in errors if error.dof > 0]
    if not known:
        return None
    mean = math.exp(fmean(math.log(error.estimate) for error in known))
    return Error(mean, fmean(error.standard for error in known), min(error.dof for error in known))


def _common(a: Side, b: Side, pairs: Sequence[Pair]) -> Error | None:
    """Of the step times of the reference points, or of all where there is none. The machine's drift is in each of them,
    and in their mean as well."""
    chosen = [pair for pair in pairs if pair.is_reference] or pairs
    both = [(a.step(pair.a), b.step(pair.b)) for pair in chosen]
    return together([of_a.over(of_b) for of_a, of_b in both if of_a and of_b])


def _floors(a: Side, b: Side, pairs: Sequence[Pair]) -> dict[str, float]:
    """Key -> the noise floor of its like, by the nulls of both runs: where ranks wait for cores, it is higher."""
    both = pd.concat([a.points, b.points], ignore_index=True)
    both = both[~(both["null_ratio"] <= 0)]  # a table of anybody's may say so
    crowded = {word: noise_floor(both[both["oversubscribed"] == word]).relative for word in (False, True)}
    return {pair.key: crowded[bool(pair.a["oversubscribed"])] for pair in pairs}


def _undecided(error: Error | None) -> Judged | None:
    return None if error is None else Judged(at_level(error, CHANCE), UNDECIDED)


def _alarms(a: Side, b: Side) -> list[str]:
    return [f"{side.label}: {side.alarm}" for side in (a, b) if side.alarm]


def _unknown(a: Side, b: Side) -> list[str]:
    tables = [side.label for side in (a, b) if not side.is_whole]
    if not tables:
        return []
    return [
        f"Of {' and '.join(tables)} there is the table alone: its sessions are not known, so that eager is compared by "
        "step times; nor are machine and versions, but for what the table says."
    ]
