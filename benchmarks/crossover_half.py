"""Is the map of where Python stops mattering the same from half of its cells?

Of each grid of a run, many random halves of the cells: at every depth, how far the contour from the half lies from that
of all cells, in steps of the grid's batches, and whether the half's 95 % interval holds it. A contour that a half only
knows to lie beyond its own cells is held to that. Run: python -m benchmarks.crossover_half RUN...
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.common import parser, save, verdict
from harness.analysis.run import load_run
from harness.crossover.agreement import between, steps_apart
from harness.crossover.find import crossover
from harness.crossover.grids import grids
from harness.crossover.values import CROSSED, DEFAULT_THRESHOLD, Grid

# Of all comparisons, within one step; and of those in which the half knows a crossing, within its interval.
LEAST_WITHIN, LEAST_HELD = 0.95, 0.9
FEWEST_CELLS = 8


def main() -> int:
    """Answers the exit status: 0 if the limits are met over all grids."""
    options = parser(__doc__)
    options.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    options.add_argument("--halves", type=int, default=100, help="random halves of each grid (default 100)")
    options.add_argument("--threshold", type=float, default=DEFAULT_THRESHOLD)
    arguments = options.parse_args()
    chance = random.Random(0)
    rows = []
    for run in arguments.runs:
        for grid in grids(load_run(run).points).grids:
            if len(grid.cells) >= FEWEST_CELLS:
                found = list(_compared(grid, arguments.halves, arguments.threshold, chance))
                rows.append(_row(run.name, grid, found))
    if not rows:
        print(f"No grid has {FEWEST_CELLS} cells.")
        return 1
    table = save(rows, arguments.out, "crossover_half")
    compared, known = table["compared"].sum(), table["crossings"].sum()
    within = (table["compared"] * table["within_a_step"]).sum() / compared
    met = [verdict("contour from half of the cells within one step", within, LEAST_WITHIN, least=True)]
    if known:
        within = (table["crossings"] * table["crossings_within"].fillna(0)).sum() / known
        said = "of those that are crossings in both"
        met.append(verdict(said, within, LEAST_WITHIN, least=True))
        held = (table["crossings"] * table["held"].fillna(0)).sum() / known
        met.append(verdict("its interval holds the contour of all", held, LEAST_HELD, least=True))
    return 0 if all(met) else 1


def _compared(
    grid: Grid, halves: int, threshold: float, chance: random.Random
) -> Iterator[tuple[float, bool | None]]:
    """Of each half and measured depth that it reaches: steps apart, and whether the interval holds the other, None
    where one of both is not a crossing."""
    whole = [at for at in crossover(grid, threshold).contour if at.measured]
    step = _step(grid)
    for _ in range(halves):
        cells = chance.sample(list(grid.cells), len(grid.cells) // 2)
        half = replace(grid, cells=tuple(sorted(cells, key=lambda cell: (cell.depth, cell.batch))))
        if len({cell.batch for cell in cells}) < 2:
            continue
        contour = crossover(half, threshold).contour
        for at in whole:
            other = between(contour, at.depth)
            if other is not None:
                both = at.side == other.side == CROSSED
                yield steps_apart(at, other, step), other.low <= at.batch <= other.high if both else None


def _step(grid: Grid) -> float:
    """By what factor neighbouring batches differ, in the median."""
    batches = sorted({cell.batch for cell in grid.cells})
    return statistics.median(high / low for low, high in pairwise(batches))


def _row(run: str, grid: Grid, found: list[tuple[float, bool | None]]) -> dict[str, Any]:
    apart = [steps for steps, _ in found]
    held = [each for _, each in found if each is not None]
    return {
        "run": run,
        "kind": grid.kind,
        "device_kind": grid.of["device_kind"],
        "devices": grid.of["devices"],
        "workload": grid.of["workload"],
        "width": grid.of["width"],
        "cells": len(grid.cells),
        "compared": len(found),
        "within_a_step": sum(steps <= 1 for steps in apart) / len(apart),
        "median_steps": statistics.median(apart),
        "p90_steps": sorted(apart)[int(0.9 * (len(apart) - 1))],
        "crossings": len(held),
        "crossings_within": sum(steps <= 1 for steps, each in found if each is not None) / len(held)
        if held
        else None,
        "held": sum(held) / len(held) if held else None,
    }


if __name__ == "__main__":
    sys.exit(main())
