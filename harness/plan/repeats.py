"""How often a cell is measured, and which cells hold a null.

In: a configuration's timing, and points. Out: numbers, ids of cells. Must not know torch, nor how anything is measured.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from harness.core.schema import REFERENCE_MODE
from harness.plan.config import TimingConfig
from harness.plan.points import Cell, Point

# For so long, and at least once, a step is made untimed before each block: others were measured in between, and it
# finds their code and numbers in the caches; its first steps take up to twice as long (benchmarks.fidelity).
LEAD_NS = 2e6


def rounds_of_build(timing: TimingConfig, round_s: float) -> int:
    """How many rounds that long each build of a cell has: fewer than timing.rounds where timing.max_cell_s is too short
    for them, one at least.

    Fixed before the first of them: a number that depended on their spread would make intervals too narrow.
    """
    if round_s <= 0:
        return timing.rounds
    budget_s = timing.max_cell_s / (timing.sessions * timing.builds)
    return max(1, min(timing.rounds, int(budget_s / round_s)))


def cells_with_null(points: Sequence[Point], every: int) -> frozenset[str]:
    """Ids of the cells that hold a second build of the reference mode: one in `every` that have that mode, of each
    number of devices and controller at least one; none for 0.

    By hash: in the order of a plan every other cell would be of the same batch size.
    """
    if not every:
        return frozenset()
    of_kind: dict[tuple[int, str], set[str]] = {}
    for point in points:
        if point.mode == REFERENCE_MODE:
            of_kind.setdefault((point.devices, point.controller), set()).add(Cell((point,)).id)
    return frozenset(
        cell
        for cells in of_kind.values()
        for cell in sorted(cells, key=_mixed)[: math.ceil(len(cells) / every)]
    )


def _mixed(cell: str) -> str:
    return hashlib.sha256(cell.encode()).hexdigest()
