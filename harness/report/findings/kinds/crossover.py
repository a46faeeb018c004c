"""From which batch on the interpreter stops mattering, at the deepest model.

In: slices of a tidy table. Out: claims. Must not know other kinds, nor how contours are found.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from harness.analysis.noise import noise_floor
from harness.core.stats.verdicts import threshold
from harness.crossover.values import SHARE
from harness.report.findings.claim import Claim, aside, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import count
from harness.report.table.slices import Slice


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence on a map of dispatch share; none where noise hides differences, or nothing says how large it is."""
    if math.isinf(threshold(noise_floor(part.rows).relative)):
        return []
    # Here, since what fits a model takes longer to import than all the rest.
    from harness.crossover.find import crossover
    from harness.crossover.grids import grids
    from harness.crossover.words import deepest

    made = []
    for grid in grids(part.rows).grids:
        if grid.kind != SHARE or not any(cell.known for cell in grid.cells):
            continue
        found = crossover(grid)
        if deepest(found.contour).known:
            devices = int(part.values["devices"])
            where = f"{lead(part.values)}On {count(devices, 'device')}{aside(part.values, differing)}"
            text = f"{where}, {found.said[0].lower()}{found.said[1:]}"
            made.append(Claim(len(grid.cells) / devices, group_of(part.values), text))
    return made


FINDING = Finding("crossover", frozenset(), claims, shown_by=("crossover",))
