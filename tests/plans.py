"""Plans of small sweeps on machines that the tests make up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Plan, Point

CPU = Inventory("cpu", 2, "Test CPU", cores=2)
FOUR_GPUS = Inventory("cuda", 4, "Test GPU", cores=32)

POINT = Point("mlp-8x2", (8, 8, 8), 2, 8, 4, 1, "processes", "forward", "float32", "eager", "weak")


def plan_of(inventory: Inventory = CPU, **changes: Any) -> Plan:
    return make_plan(replace(Config(depth=[2], width=[8]), **changes), inventory)


def sizes_of(**changes: Any) -> list[tuple[int, ...]]:
    return [point.sizes for point in plan_of(mode=["eager"], **changes).points]
