"""What the launcher writes down before anything is measured: where, and every point.

In: a plan. Out: records of launcher.jsonl. Must not know how sessions are run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from harness.core import axes, schema
from harness.core.stats.spread import Earlier
from harness.plan.allowed.modes import said_of
from harness.plan.inventory import Inventory
from harness.plan.points import Cell, Plan, Point
from harness.records import kinds
from harness.records.lines import Writer


def announce(
    records: Writer,
    environment: dict[str, Any],
    plan: Plan,
    whole: Sequence[Point],
    inventory: Inventory,
    known: Collection[str],
    earlier: Earlier,
) -> None:
    """Write down this start, and the points that are not known from an earlier one.

    whole: the points of all shards together, by whose order shards are merged. earlier: what the intervals of this
    sweep are to take from earlier ones.
    """
    places = {point.key: place for place, point in enumerate(whole)}
    records.write(
        "start",
        time_utc=environment["time_utc"],
        device_kind=environment["device_kind"],
        device_name=environment["device_name"],
        cores=environment["cpu"]["cores_usable"],
        revision=environment["source_digest"],
        source=environment["source"] or "",
        **earlier.plain(),
    )
    for point in plan.points:
        if point.key not in known:
            nodes = inventory.nodes_for(point.devices)
            framework = plan.framework(point)
            records.write("point", **point_record(point, nodes, framework), place=places[point.key])


def write_unsupported(records: Writer, reasons: dict[str, str]) -> None:
    """Give points that cannot be measured here their rows. reasons: point key -> why."""
    for key, reason in reasons.items():
        records.write("outcome", key=key, status=schema.UNSUPPORTED, error=reason)


def planned_records(plan: Plan, inventory: Inventory) -> list[kinds.Point]:
    """The points as they are read again once they are announced."""
    records = (
        point_record(point, inventory.nodes_for(point.devices), plan.framework(point))
        for point in plan.points
    )
    return [msgspec.convert(record, kinds.Point) for record in records]


def point_record(point: Point, nodes: int = 1, framework: str = schema.TORCH) -> dict[str, Any]:
    """A planned point as the launcher writes it down: all that the analysis knows of it."""
    place = {name: getattr(point, name) for name in (*axes.AXES, axes.SCALING, axes.MODEL_ARGS)}
    return {
        "key": point.key,
        "cell": Cell((point,)).id,
        "axes": {**place, axes.NODES: nodes},
        # The analysis must not depend on which plugins are loaded where it runs.
        "framework": framework,
        **asdict(said_of(point, framework)),
    }
