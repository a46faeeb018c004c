"""A duel: repeats until everything is decided, or there is no time for another.

In: arms, cells. Out: a Duelled. Must not know what the arms are, nor how a process of one measures.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import HarnessError
from harness.duel.cells import Cell
from harness.duel.contrasts import Contrast
from harness.duel.driven import Arm
from harness.duel.judged import Judgement, judged
from harness.duel.lengths import lengths, shorter
from harness.duel.looks import FEWEST, Looks, looks
from harness.duel.repeat import (
    UNSUPPORTED,
    Clock,
    Crowded,
    Failed,
    Measured,
    Repeat,
    Rules,
    nothing_is,
    one_repeat,
)

Told = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """Of one cell. measured: of each repeat. failed: why it has no verdict, what was measured before notwithstanding;
    None where it has one."""

    cell: Cell
    measured: tuple[Measured, ...]
    failed: Failed | None
    judgement: Judgement | None


@dataclass(frozen=True)
class Duelled:
    """overall: of all cells that have a verdict; None where none has. facts: of each arm. stop: why there were no more
    repeats. notes: sentences on what was not measured as it should be, for want of time or memory."""

    rows: tuple[Row, ...]
    overall: Judgement | None
    facts: Mapping[str, Mapping[str, str]]
    looks: Looks
    repeats: int
    seconds: float
    stop: str
    notes: tuple[str, ...] = ()


def duel(
    arms: Sequence[Arm],
    contrasts: Sequence[Contrast],
    cells: Sequence[Cell],
    rules: Rules,
    *,
    limit_s: float,
    seed: int = 0,
    clock: Clock = time.monotonic,
    crowded: Crowded = nothing_is,
    kept: Callable[[Repeat], None] = lambda repeat: None,
    told: Told = lambda text: None,
) -> Duelled:
    """limit_s: for all of it; but the first repeat is measured in any case. told: what was done.
    crowded: as one_repeat has it. kept: is given each repeat when it is measured, so that what ends the duel
    later loses none of it.

    Raises HarnessError where an arm does not start.
    """
    chance, begun = random.Random(seed), clock()
    failed = {cell.key: Failed(UNSUPPORTED, cell.unsupported) for cell in cells if cell.unsupported}
    repeats: list[Repeat] = []
    planned, expected_s, stop, notes = Looks((FEWEST,)), 0.0, "", list[str]()
    while left := [cell for cell in cells if cell.key not in failed]:
        try:
            repeats.append(one_repeat(arms, contrasts, left, rules, chance, crowded, clock))
        except HarnessError as error:
            if not repeats:
                raise
            stop = str(error)
            break
        kept(repeats[-1])
        failed |= {key: each for key, each in repeats[-1].cells.items() if isinstance(each, Failed)}
        count = len(repeats)
        if count == 1:
            others = lengths(repeats[0], rules, limit_s)
            planned, expected_s = looks(others.most), others.each_s
            if others.said:
                notes.append(others.said)
                told(others.said)
            rules = others.rules
        elif count < min(FEWEST, planned.at[-1]):
            before, left_s = rules, limit_s - (clock() - begun)
            rules, expected_s = shorter(repeats[-1], rules, min(FEWEST, planned.at[-1]) - count, left_s)
            if rules != before and not notes:
                notes.append(
                    f"Later repeats took longer than the first: some are shorter, to end in {limit_s:g} s."
                )
        else:
            expected_s = max(expected_s, repeats[-1].seconds)
        told(_told(count, planned, left, failed))
        if count in planned.at and _is_decided(repeats, cells, failed, planned):
            stop = "all is decided"
        elif count == planned.at[-1]:
            stop = f"as many repeats as there is time for in {limit_s:g} s"
        elif clock() - begun + expected_s > limit_s:
            stop = f"no time for another repeat in {limit_s:g} s"
        if stop:
            break
    if turns := max((repeat.turns for repeat in repeats), default=1) - 1:
        notes.append(
            f"There was no memory for all {len(arms)} processes at once: A was beside some of the others at a time, in "
            f"{turns + 1} turns a repeat, and each ratio is of rounds that both are in."
        )
    ended = _ended(repeats, cells, failed, planned, clock() - begun, stop or "no cell is left")
    return replace(ended, notes=tuple(notes))


def _told(count: int, planned: Looks, left: Sequence[Cell], failed: Mapping[str, Failed]) -> str:
    lost = [f"; {cell.label}: {failed[cell.key].error}" for cell in left if cell.key in failed]
    return f"repeat {count} of at most {planned.at[-1]}{''.join(lost)}"


def _measured(repeats: Sequence[Repeat], cell: Cell) -> tuple[Measured, ...]:
    found = (repeat.cells.get(cell.key) for repeat in repeats)
    return tuple(each for each in found if isinstance(each, Measured))


def _judgements(
    repeats: Sequence[Repeat], cells: Sequence[Cell], failed: Mapping[str, Failed], planned: Looks
) -> tuple[dict[str, Judgement], Judgement | None]:
    ratios = {
        cell.key: {name: [each.ratios[name] for each in measured] for name in measured[0].ratios}
        for cell in cells
        if cell.key not in failed and (measured := _measured(repeats, cell))
    }
    return judged(ratios, planned.wider) if ratios else ({}, None)


def _is_decided(
    repeats: Sequence[Repeat], cells: Sequence[Cell], failed: Mapping[str, Failed], planned: Looks
) -> bool:
    of_cells, overall = _judgements(repeats, cells, failed, planned)
    return overall is not None and all(each.is_decided for each in (overall, *of_cells.values()))


def _ended(
    repeats: Sequence[Repeat],
    cells: Sequence[Cell],
    failed: Mapping[str, Failed],
    planned: Looks,
    seconds: float,
    stop: str,
) -> Duelled:
    of_cells, overall = _judgements(repeats, cells, failed, planned)
    rows = tuple(
        Row(cell, _measured(repeats, cell), failed.get(cell.key), of_cells.get(cell.key)) for cell in cells
    )
    facts = repeats[0].facts if repeats else {}
    return Duelled(rows, overall, facts, planned, len(repeats), seconds, stop)
