"""A plan cut into shards: nothing lost, nothing twice but the reference, and as even as it goes."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from harness.core.errors import ConfigError
from harness.plan.config import Config
from harness.plan.estimate import estimate_seconds
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Cell, Plan
from harness.plan.shards import parse_shard, shard_plan

CPU = Inventory("cpu", 8, "a CPU", 8)
CONFIG = Config(
    depth=[2, 64],
    width=[64, 2048],
    batch=[1, 1024],
    devices=[1, 2, 16],
    mode=["eager", "script"],
    workload=["forward", "train"],
)
ALLOCATED = replace(CPU, allocated=True, nodes=1)


def parts(shards: int, inventory: Inventory = ALLOCATED) -> tuple[Plan, list[Plan]]:
    plan = make_plan(CONFIG, inventory)
    return plan, [shard_plan(plan, (i, shards), CONFIG, inventory) for i in range(1, shards + 1)]


def cells(plan: Plan) -> set[str]:
    return {Cell((point,)).id for point in plan.points}


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_together_shards_are_the_plan_and_share_the_reference_cell_alone(shards: int) -> None:
    plan, of_plan = parts(shards)
    assert {p.key for part in of_plan for p in part.points} == {p.key for p in plan.points}
    shared = set.intersection(*map(cells, of_plan))
    assert sum(len(cells(part)) for part in of_plan) == len(cells(plan)) + (shards - 1)
    if shards > 1:
        assert len(shared) == 1


def test_what_is_unsupported_is_so_in_its_shard_as_well() -> None:
    plan, of_plan = parts(3)
    assert plan.unsupported
    assert {key: why for part in of_plan for key, why in part.unsupported.items()} == plan.unsupported
    assert {c.id for part in of_plan for s in part.sessions for c in s.cells} == {
        c.id for s in plan.sessions for c in s.cells
    }


def test_cells_stay_whole() -> None:
    _, of_plan = parts(3)
    for part in of_plan:
        for session in part.sessions:
            assert all({p.mode for p in cell.points} == {"eager", "script"} for cell in session.cells)


def test_the_same_shard_comes_out_every_time_whatever_the_order_of_others() -> None:
    assert parts(4)[1] == parts(4)[1]


def test_shards_take_about_the_same_time() -> None:
    _, of_plan = parts(3, CPU)
    times = [sum(estimate_seconds(part, CONFIG, CPU)) for part in of_plan]
    assert max(times) < 1.34 * min(times)


def test_points_keep_the_order_of_the_plan() -> None:
    plan, of_plan = parts(3)
    order = [point.key for point in plan.points]
    for part in of_plan:
        places = [order.index(point.key) for point in part.points]
        assert places == sorted(places)


def test_more_shards_than_cells_leave_some_with_the_reference_alone() -> None:
    config = Config(depth=[2], width=[64], devices=[1])
    plan = make_plan(config, CPU)
    assert [len(shard_plan(plan, (i, 3), config, CPU).points) for i in (1, 2, 3)] == [3, 3, 3]


def test_parts_beyond_the_cells_cost_nothing() -> None:
    """Of thousands of parts all but a few have nothing: looking at each of them took as much longer as there are."""
    plan = make_plan(CONFIG, ALLOCATED)

    def least_seconds(shards: int) -> float:
        """Of three tries: a collection of garbage in one of them is not the plan's."""
        taken = []
        for _ in range(3):
            began = time.process_time()
            shard_plan(plan, (1, shards), CONFIG, ALLOCATED)
            taken.append(time.process_time() - began)
        return min(taken)

    few, many = len(cells(plan)), 9999
    assert shard_plan(plan, (1, few), CONFIG, ALLOCATED) == shard_plan(plan, (1, many), CONFIG, ALLOCATED)
    assert least_seconds(many) < 20 * least_seconds(few)


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "a/b", "1/0", "-1/3", "1/3/5", "1 / 3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"allowed: i/n, a part of the plan"):
        parse_shard(text)


def test_a_shard_is_read() -> None:
    assert parse_shard("2/3") == (2, 3)
