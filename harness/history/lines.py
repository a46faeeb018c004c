"""A point over time: its step time in each run of one machine, and beside all other cells of that run.

In: Sides in the order of time. Out: Lines. Must not know changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analysis.by_session import STEP
from harness.compare.facts import OF_THE_MACHINE
from harness.compare.left_out import OF_CONDITIONS, label
from harness.compare.ratios import OTHER_CELLS, TIMES
from harness.compare.side import Side
from harness.compare.states import Others
from harness.core import axes, schema, warnings
from harness.core.schema import REFERENCE_MODE
from harness.core.stats.intervals import Interval

COMMON = "common"


@dataclass(frozen=True)
class Entry:
    """Of one run. step: microseconds, with its interval. beside: the time over the run's state; the time itself where
    that is not known."""

    side: Side
    step: Interval
    beside: float


@dataclass(frozen=True)
class Line:
    """A point on one machine. through: by what its times are held against each other, OTHER_CELLS or TIMES. Of the line
    COMMON the times are what all cells of a run took over what is usual: the machine's state, or a change of all."""

    key: str
    label: str
    machine: str
    axes: Mapping[str, object]
    through: str
    entries: tuple[Entry, ...]


def lines_of(sides: Sequence[Side]) -> list[Line]:
    """By machine, in the order in which points are first seen; those of one run alone too."""
    by_machine: dict[str, list[Side]] = {}
    for side in sides:
        by_machine.setdefault(_machine(side), []).append(side)
    return [line for machine, own in by_machine.items() for line in _of_machine(machine, own)]


def _machine(side: Side) -> str:
    """And by what: what ranks measured and what drivers did have a key in common, but not a line."""
    known = [side.facts.get(name, "") for name in OF_THE_MACHINE]
    known.append("by drivers" if side.is_driven else "")
    return ", ".join(dict.fromkeys(text for text in known if text))


def _of_machine(machine: str, sides: Sequence[Side]) -> list[Line]:
    rows = [{key: row for key, row in side.rows().items() if _counts(row)} for side in sides]
    states = _States(rows)
    lines = []
    for key, first in {key: row for of_run in reversed(rows) for key, row in of_run.items()}.items():
        there = [(side, of_run[key], number) for number, (side, of_run) in enumerate(zip(sides, rows, strict=True))
                 if key in of_run]  # fmt: skip
        beside = [states.without(number, row) for _, row, number in there]
        through = TIMES if any(state is None for state in beside) else OTHER_CELLS
        entries = tuple(
            Entry(side, _step(row), _number(row[STEP]) / (state if state and through == OTHER_CELLS else 1.0))
            for (side, row, _), state in zip(there, beside, strict=True)
        )
        values = {name: first[name] for name in axes.AXES}
        lines.append(Line(key, label(values), machine, values, through, entries))
    order = {key: place for place, key in enumerate(dict.fromkeys(key for of_run in rows for key in of_run))}
    lines.sort(key=lambda line: order[line.key])
    return [*lines, *_common(machine, sides, states)]


class _States:
    """How slow each run was by its reference points: the median of their times over what is usual of each."""

    def __init__(self, rows: Sequence[Mapping[str, Mapping[str, object]]]) -> None:
        times = [
            {_cell(row): _number(row[STEP]) for row in of_run.values() if row[axes.MODE] == REFERENCE_MODE}
            for of_run in rows
        ]
        every: dict[str, list[float]] = {}
        for of_run in times:
            for cell, time in of_run.items():
                every.setdefault(cell, []).append(time)
        usual = {cell: median(of_cell) for cell, of_cell in every.items()}
        self._runs = [Others({cell: time / usual[cell] for cell, time in of_run.items()}) for of_run in times]

    def without(self, number: int, row: Mapping[str, object]) -> float | None:
        """Of a run, by the cells that this point is not of; None where they are too few."""
        return self._runs[number].without(_cell(row))

    def of_all(self, number: int) -> float | None:
        return self._runs[number].without("")


def _common(machine: str, sides: Sequence[Side], states: _States) -> list[Line]:
    entries = tuple(
        Entry(side, Interval(state, math.nan, math.nan), state)
        for number, side in enumerate(sides)
        if (state := states.of_all(number)) is not None
    )
    what = "all cells together (the machine, or a change of all)"
    return [Line(COMMON, what, machine, {}, TIMES, entries)] if len(entries) == len(sides) else []


def _counts(row: Mapping[str, object]) -> bool:
    return row["status"] == schema.OK and _number(row[STEP]) > 0 and not warnings.carries(
        row["warnings"], *OF_CONDITIONS
    )  # fmt: skip


def _cell(row: Mapping[str, object]) -> str:
    return "\x1f".join(str(row[name]) for name in axes.LADDER)


def _step(row: Mapping[str, object]) -> Interval:
    low, high = schema.ends(STEP)
    return Interval(_number(row[STEP]), _number(row[low]), _number(row[high]))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
