"""The order in which a session's cells are measured: each is visited for some rounds, then all again.

In: cells and a bench. Out: nothing; the cells write their records. Must not know how a cell is measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.plan.points import Cell
from harness.worker.cells.bench import Bench
from harness.worker.cells.cell import CellRun


def measure_cells(cells: Sequence[Cell], bench: Bench) -> None:
    """Measure the cells of a session. Collective: all ranks call it with the same cells.

    A cell's rounds are spread over the session: every cell is visited for some rounds, then every cell that
    needs more is visited again, and so on. A disturbance that lasts seconds, as on machines shared with
    others, then meets some rounds of many cells and not all rounds of one. Where memory is short, a cell
    gets all its rounds at its first visit and is not kept.

    Raises SessionBroken if this rank failed where the others cannot be told, and OSError if a record
    cannot be written.
    """
    kept: list[CellRun] = []
    for cell in cells:
        run = CellRun(cell, bench)
        crowded = bench.ranks.any(any(device.is_crowded() for device in bench.issuers.devices))
        run.visit(bench.timing.max_rounds if crowded else bench.timing.visit_rounds)
        kept += _still_open([run])
    while kept:
        for run in kept:
            run.visit(bench.timing.visit_rounds)
        kept = _still_open(kept)


def _still_open(runs: Sequence[CellRun]) -> list[CellRun]:
    """Those that need more rounds; the others are closed."""
    for run in runs:
        if not run.open:
            run.close()
    return [run for run in runs if run.open]
