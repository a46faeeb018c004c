"""One plan cut into parts that several jobs measure, each in a run directory of its own.

In: a Plan and which part is wanted. Out: that part as a Plan. Every part is the same wherever it is computed: it
depends on the plan alone, not on what is measured already. Must not know jobs or run directories.
"""

from __future__ import annotations

import re

from harness.core.errors import ConfigError
from harness.plan.config import Config
from harness.plan.estimate import START_SECONDS, estimate_seconds
from harness.plan.inventory import Inventory
from harness.plan.points import Cell, Plan, Point, group

_COUNT = re.compile(r"[0-9]{1,4}")


def shard_plan(plan: Plan, shard: tuple[int, int], config: Config, inventory: Inventory) -> Plan:
    """Part i of n of a plan, i from 1.

    Cells are dealt out whole, the dearest first, each to the part that has least to do so far (Graham, Bounds on
    multiprocessing timing anomalies, 1969: at most a third longer than the best way). Every part has the
    reference cell as well: measured on each node, it tells nodes apart.
    """
    number, shards = shard
    cells = _cells(plan)
    costs = {cell.id: _seconds(cell, config, inventory) for cell in cells}
    loads = [0.0] * shards
    begun: list[set[tuple[int, str]]] = [set() for _ in range(shards)]
    part_of: dict[str, int] = {}
    used = 0
    for cell in sorted(cells, key=lambda each: (-costs[each.id], each.id)):
        first = cell.points[0]
        session = (first.devices, first.controller)

        def load_with(part: int, cell: Cell = cell, session: tuple[int, str] = session) -> float:
            # A part that has no session of this kind yet must start one.
            return loads[part] + costs[cell.id] + (0.0 if session in begun[part] else START_SECONDS)

        # Parts that have nothing yet are alike: of those the first will do.
        looked_at = min(used + 1, shards)
        part = min(range(looked_at), key=lambda each: (load_with(each), each))
        used = max(used, part + 1)
        loads[part] = load_with(part)
        begun[part].add(session)
        part_of[cell.id] = part
    reference = reference_cell(plan, costs)
    own = [c for c in cells if part_of[c.id] == number - 1 or (reference and c.id == reference.id)]
    points = tuple(point for cell in own for point in cell.points)
    unsupported = {p.key: plan.unsupported[p.key] for p in points if p.key in plan.unsupported}
    sessions = group([p for p in points if p.key not in unsupported])
    return Plan(_in_order(plan, points), sessions, unsupported, plan.frameworks)


def reference_cell(plan: Plan, costs: dict[str, float]) -> Cell | None:
    """The cheapest cell that can be measured, on as few devices as there are: the most a shard spends twice."""
    measured = [cell for session in plan.sessions for cell in session.cells]
    return min(measured, key=lambda c: (c.points[0].devices, costs[c.id], c.id), default=None)


def _cells(plan: Plan) -> list[Cell]:
    """All cells, also those that cannot be measured here: their rows belong to some part as well."""
    found: dict[str, list[Point]] = {}
    for point in plan.points:
        found.setdefault(Cell((point,)).id, []).append(point)
    return [Cell(tuple(points)) for points in found.values()]


def _seconds(cell: Cell, config: Config, inventory: Inventory) -> float:
    alone = Plan(cell.points, group(cell.points), {})
    return sum(estimate_seconds(alone, config, inventory)) / 2 - START_SECONDS


def _in_order(plan: Plan, points: tuple[Point, ...]) -> tuple[Point, ...]:
    wanted = {point.key for point in points}
    return tuple(point for point in plan.points if point.key in wanted)


def parse_shard(text: str) -> tuple[int, int]:
    """2/3 to its two numbers. Raises ConfigError."""
    number, slash, shards = text.partition("/")
    numbers = [int(each) if _COUNT.fullmatch(each) else 0 for each in (number, shards)]
    if not (slash and 1 <= numbers[0] <= numbers[1]):
        allowed = "i/n, a part of the plan: i from 1 to n, n at most 9999, e.g. 2/3; or null for all of it"
        raise ConfigError("shard", text, allowed)
    return int(number), int(shards)


def shard_of(config: Config) -> tuple[int, int] | None:
    """Which part of the plan a config asks for; None for all of it."""
    return parse_shard(config.shard) if config.shard else None
