"""Which environments of a cell are measured at once: all of them, or some beside the reference, where memory is short.

In: cells, drivers. Out: a Turn after the other. Must not know how anything is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.schema import REFERENCE_MODE
from harness.plan.points import Cell
from harness.worker.drivers import Drivers


@dataclass
class Turn:
    """number: of this one, from 0, in its session. earlier: cell id -> keys that turns before have measured to the end.
    ended: the same of this one."""

    number: int = 0
    earlier: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ended: dict[str, list[str]] = field(default_factory=dict)

    def next(self) -> Turn:
        """That of what waits."""
        cells = dict.fromkeys([*self.earlier, *self.ended])
        kept = {cell: [*self.earlier.get(cell, ()), *self.ended.get(cell, ())] for cell in cells}
        return Turn(self.number + 1, {cell: list(dict.fromkeys(keys)) for cell, keys in kept.items()})

    def keys_before(self, cell: Cell, drivers: Drivers | None) -> list[str]:
        """What earlier turns have measured of a cell, but for the reference's, which this one measures too."""
        keys = self.earlier.get(cell.id, ())
        if not keys or drivers is None:
            return []
        again = {point.key for point in cell.points if point.environment == drivers.reference}
        return [key for key in keys if key not in again]


def of_this_turn(cells: Sequence[Cell], drivers: Drivers, nulls: frozenset[str]) -> list[Cell]:
    """Those in which somebody is to be measured who was not yet. nulls: ids of cells that hold one."""
    return [
        cell
        for cell in cells
        if any(drivers.is_of_others(point.environment) for point in cell.points)
        or (
            cell.id in nulls
            and drivers.is_of_others(drivers.reference, null=True)
            and _has_null(cell, drivers)
        )
    ]


def turns_left(cell: Cell, drivers: Drivers | None, nulls: frozenset[str]) -> int:
    """Of a cell, after this one; as far as is known once all of it was prepared that has its turn now."""
    if drivers is None:
        return 0
    waits = any(drivers.is_waiting(point.environment) for point in cell.points) or (
        cell.id in nulls and drivers.is_waiting(drivers.reference, null=True) and _has_null(cell, drivers)
    )
    return drivers.turns_left if waits else 0


def _has_null(cell: Cell, drivers: Drivers) -> bool:
    return any(
        point.environment == drivers.reference and point.mode == REFERENCE_MODE for point in cell.points
    )
