"""The order in which a session's cells are measured: build by build, each cell visited for some rounds at a time.

In: cells and a bench. Out: nothing; the cells write their records. Must not know how a cell is measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.plan.points import Cell
from harness.worker.cells.bench import Bench
from harness.worker.cells.cell import CellRun
from harness.worker.cells.turn import Turn, of_this_turn


def measure_cells(cells: Sequence[Cell], bench: Bench) -> None:
    """Measure the cells of a session. Collective: all ranks call it with the same cells.

    A cell's rounds are spread over the session: each build of it has its turn, in an order of cells that is drawn anew,
    and within a build every cell is visited for some rounds, then every cell that needs more is visited again. A
    disturbance that lasts seconds, as on machines shared with others, then meets some rounds of many cells and not all
    rounds of one. Environments that have no room beside the others have their builds afterwards, by turns.

    Raises SessionBroken if this rank failed where the others cannot be told, and OSError if a record
    cannot be written.
    """
    turn, left = Turn(), list(cells)
    while True:
        for build in range(bench.timing.builds):
            order = list(left)
            number = turn.number * bench.timing.builds + build
            random.Random(f"{bench.seed}:{bench.session}:{number}").shuffle(order)
            _measure_build(order, build, bench, turn)
        if bench.drivers is None or not bench.drivers.next_turn():
            return
        turn, left = turn.next(), of_this_turn(cells, bench.drivers, bench.nulls)


def _measure_build(cells: Sequence[Cell], build: int, bench: Bench, turn: Turn) -> None:
    """Where memory is short, a cell gets all its rounds at its first visit and is not kept."""
    timing = bench.timing
    kept: list[CellRun] = []
    for cell in cells:
        bench.reference.time()  # here, so that it is as often and as far apart as cells are
        run = CellRun(cell, build, bench, turn)
        crowded = bench.ranks.any(any(device.is_crowded() for device in bench.issuers.devices))
        run.visit(timing.rounds if crowded else timing.visit_rounds)
        kept += _still_open([run])
    while kept:
        for run in kept:
            run.visit(timing.visit_rounds)
        kept = _still_open(kept)


def _still_open(runs: Sequence[CellRun]) -> list[CellRun]:
    """Those that need more rounds; the others are closed."""
    for run in runs:
        if not run.open:
            run.close()
    return [run for run in runs if run.open]
