"""One repeat: fresh processes of every arm, every cell in rounds that visit all of them in random order; some of them
beside A at a time, by turns, where there is no room for all.

In: arms, cells. Out: of each cell a ratio for each contrast, or why there is none. Must not know how often it is
repeated, nor what is concluded.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Any, TypeVar

from harness.core.errors import HarnessError
from harness.duel.cells import Cell
from harness.duel.contrasts import Contrast
from harness.duel.driven import A, Arm, Driven, DriverError
from harness.duel.outputs import Mismatch, check
from harness.plan.repeats import LEAD_NS

MISMATCH, UNSUPPORTED = "mismatch", "unsupported"
Crowded = Callable[[Sequence[Driven]], "str | None"]
# Answers seconds.
Clock = Callable[[], float]
# Nanoseconds of a step, by arm.
Rounds = list[dict[str, float]]

_Value = TypeVar("_Value")


def nothing_is(living: Sequence[Driven]) -> str | None:
    """There is room for whatever is started."""
    return None


@dataclass(frozen=True)
class Rules:
    """block_ns: wall time of a block. builds: of a cell in a repeat, each with parameters in places of their own.
    rounds: of a build. warm_s: longest warm-up of an arm in a build."""

    block_ns: float
    rounds: int
    warm_s: float
    builds: int = 1


@dataclass(frozen=True)
class Measured:
    """ratios: by contrast. step_ns: by arm, the median over rounds."""

    ratios: Mapping[str, float]
    step_ns: Mapping[str, float]


@dataclass(frozen=True)
class Failed:
    """status: as a point's. error: one line that names the arm."""

    status: str
    error: str


@dataclass
class Repeat:
    """cells: by key. facts: of each arm. turns: in how many the arms were measured. start_s: of seconds, in which
    processes were started; rounds_s: in which there were rounds."""

    cells: dict[str, Measured | Failed] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    turns: int = 1
    seconds: float = 0.0
    start_s: float = 0.0
    rounds_s: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As it is written down."""
        cells = {key: dict(vars(each)) for key, each in self.cells.items()}
        return {"cells": cells, "facts": self.facts, "turns": self.turns}


def one_repeat(
    arms: Sequence[Arm],
    contrasts: Sequence[Contrast],
    cells: Sequence[Cell],
    rules: Rules,
    chance: random.Random,
    crowded: Crowded = nothing_is,
    clock: Clock = time.monotonic,
) -> Repeat:
    """crowded: why no further process should be started beside those that live. Raises HarnessError where an arm's does
    not start, or has no room beside A."""
    found, rounds = Repeat(), {cell.key: Rounds() for cell in cells}
    begun = since = clock()
    with _Team(arms, chance, crowded) as team:
        while True:
            found.facts |= {name: dict(each.facts) for name, each in team.all().items()}
            found.start_s += clock() - since
            _take_turn(found, rounds, team, cells, rules, chance, clock)
            since = clock()
            if not team.next_turn():
                break
            found.turns += 1
    found.cells |= {key: _measured(each, contrasts) for key, each in rounds.items() if key not in found.cells}
    found.start_s += clock() - since
    found.seconds = clock() - begun
    return found


def _take_turn(
    found: Repeat,
    rounds: dict[str, Rounds],
    team: _Team,
    cells: Sequence[Cell],
    rules: Rules,
    chance: random.Random,
    clock: Clock,
) -> None:
    """All builds of those that live now."""
    for _ in range(rules.builds):
        for cell in _shuffled(cells, chance):
            if cell.key in found.cells:
                continue
            built = _built(team, cell, rules, chance, clock)
            if isinstance(built, Failed):
                found.cells[cell.key] = built
            else:
                rounds[cell.key] += built.rounds
                found.rounds_s += clock() - built.warm_at


def _measured(rounds: Rounds, contrasts: Sequence[Contrast]) -> Measured:
    ratios = {contrast.name: contrast.of_rounds(rounds) for contrast in contrasts}
    arms = dict.fromkeys(name for times in rounds for name in times)
    return Measured(ratios, {name: median(times[name] for times in rounds if name in times) for name in arms})


@dataclass(frozen=True)
class _Built:
    """warm_at: when the first of the rounds began, on the clock."""

    rounds: Rounds
    warm_at: float


def _built(team: _Team, cell: Cell, rules: Rules, chance: random.Random, clock: Clock) -> _Built | Failed:
    at_work = ""
    try:
        drivers, outputs, lengths = team.all(), {}, []
        for at_work in _shuffled(list(drivers), chance):
            outputs[at_work] = drivers[at_work].prepare(cell.task)
        check(outputs, cell.task.dtype)
        for at_work in _shuffled(list(drivers), chance):
            lengths.append(drivers[at_work].warm(rules.block_ns, rules.warm_s))
        # The same for all, so that no arm's block holds more of what a block costs by itself.
        steps = max(1, round(median(lengths)))
        lead = max(1, math.ceil(steps * LEAD_NS / rules.block_ns))
        rounds, warm_at = Rounds(), clock()
        for _ in range(rules.rounds):
            times = {}
            for at_work in _shuffled(list(drivers), chance):
                times[at_work] = drivers[at_work].block(steps, lead) / steps
            rounds.append(times)
        return _Built(rounds, warm_at)
    except Mismatch as error:
        return Failed(MISMATCH, str(error))
    except DriverError as error:
        if error.status != UNSUPPORTED:
            team.renew(at_work)
        return Failed(error.status, f"{at_work}: {error}")


class _Team:
    """A process of each arm, started in random order; all live at once and one works at a time. Those for which there
    is no room wait for a later turn; A lives in every turn, since all are compared with it."""

    def __init__(self, arms: Sequence[Arm], chance: random.Random, crowded: Crowded) -> None:
        self._arms = {arm.name: arm for arm in _shuffled(arms, chance)}
        self._open: dict[str, Driven] = {}
        self._waiting: list[str] = []
        self._turn: list[str] = []
        self._crowded = crowded

    def __enter__(self) -> _Team:
        try:
            self._gather(list(self._arms))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def all(self) -> dict[str, Driven]:
        """Those whose turn it is; what is not there any more is started."""
        for name in self._turn:
            if name not in self._open:
                self._start(name)
        return dict(self._open)

    def next_turn(self) -> bool:
        """End all but A, and start those that wait; whether there are any."""
        if not self._waiting:
            return False
        for name in [name for name in self._open if name != A]:
            self.renew(name)
        self._gather(self._waiting)
        return True

    def _gather(self, names: Sequence[str]) -> None:
        """Start them, as many as there is room for, two at least; the others wait."""
        self._waiting = list(names)
        for name in names:
            if len(self._open) > 1 and self._crowded(list(self._open.values())):
                break
            self._start(name)
            self._waiting.remove(name)
        if A in self._waiting:
            last = list(self._open)[-1]
            self.renew(last)
            self._start(A)
            self._waiting = [last, *(name for name in self._waiting if name != A)]
        self._turn = list(dict.fromkeys([A, *self._open]))

    def _start(self, name: str) -> None:
        arm = self._arms[name]
        if why := self._crowded(list(self._open.values())):
            raise HarnessError(f"{name} ({arm.said}) is not started: {why}")
        try:
            self._open[name] = arm.open()
        except DriverError as error:
            raise HarnessError(f"{name} ({arm.said}) does not start: {error}") from None

    def renew(self, name: str) -> None:
        """What failed may have left anything behind: the next cell gets a fresh process."""
        if driver := self._open.pop(name, None):
            driver.close()

    def _close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


def _shuffled(values: Sequence[_Value], chance: random.Random) -> list[_Value]:
    return chance.sample(list(values), len(values))
