"""From a config and a machine to points, cells and sessions."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest
from running import python_path

from harness.core.errors import ConfigError
from harness.core.schema import REFERENCE_MODE
from harness.plan.config import Config, DeviceConfig, TimingConfig
from harness.plan.estimate import estimate_seconds
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Cell, Plan, Point, remaining

CPU = Inventory("cpu", 2, "Test CPU", cores=2)
FOUR_GPUS = Inventory("cuda", 4, "Test GPU", cores=32)

POINT = Point("mlp-8x2", (8, 8, 8), 2, 8, 4, 1, "processes", "forward", "float32", "eager", "weak")


def plan_of(inventory: Inventory = CPU, **changes: Any) -> Plan:
    return make_plan(replace(Config(depth=[2], width=[8]), **changes), inventory)


def sizes_of(**changes: Any) -> list[tuple[int, ...]]:
    return [point.sizes for point in plan_of(mode=["eager"], **changes).points]


class TestKeys:
    def test_a_key_is_the_same_in_another_process(self) -> None:
        """Else nothing would be found again on resume; hash() of a string is not."""
        code = (
            "import json, sys; from harness.plan.points import Cell, Point; "
            "p = Point.from_dict(json.load(sys.stdin)); print(p.key, Cell((p,)).id)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(asdict(POINT)),
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": python_path(), "PYTHONHASHSEED": "1"},
        )
        assert done.stdout.split() == [POINT.key, Cell((POINT,)).id]

    @pytest.mark.parametrize(
        "change",
        [
            {"model": "mlp-8-8-8"},
            {"sizes": (8, 8, 4)},
            {"depth": 3},
            {"width": 16},
            {"batch": 5},
            {"devices": 2},
            {"controller": "threads"},
            {"workload": "train"},
            {"dtype": "float64"},
            {"mode": "script"},
            {"scaling": "strong"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_axis_has_its_part_in_the_key(self, change: dict[str, Any]) -> None:
        other = replace(POINT, **change)
        assert other.key != POINT.key
        # The points of a cell differ in mode, and in nothing else.
        assert (Cell((other,)).id == Cell((POINT,)).id) is ("mode" in change)

    def test_the_axes_above_are_all_there_are(self) -> None:
        axes = "model sizes depth width batch devices controller workload dtype mode scaling"
        assert set(asdict(POINT)) == set(axes.split())

    def test_a_point_survives_json(self) -> None:
        again = Point.from_dict(json.loads(json.dumps(asdict(POINT))))
        assert again == POINT
        assert again.key == POINT.key


class TestModels:
    def test_depth_counts_linear_layers_of_one_width(self) -> None:
        (point,) = plan_of(depth=[4], width=[64], mode=["eager"]).points
        assert (point.sizes, point.depth, point.width, point.model) == ((64,) * 5, 4, 64, "mlp-64x4")

    def test_input_and_output_may_have_widths_of_their_own(self) -> None:
        (point,) = plan_of(depth=[3], width=[64], in_features=512, out_features=2, mode=["eager"]).points
        assert (point.sizes, point.depth, point.width) == ((512, 64, 64, 2), 3, 64)
        assert point.model == "mlp-512-64-64-2"

    def test_hidden_gives_the_widths_one_by_one(self) -> None:
        (point,) = plan_of(
            depth=None, width=None, hidden=[256, 128], in_features=512, out_features=2, mode=["eager"]
        ).points
        assert (point.sizes, point.depth, point.width) == ((512, 256, 128, 2), 3, 256)
        assert point.model == "mlp-512-256-128-2"

    def test_a_single_layer_leads_from_input_to_output(self) -> None:
        assert sizes_of(depth=[1], width=[64]) == [(64, 64)]
        assert sizes_of(depth=[1], width=[64], in_features=3, out_features=2) == [(3, 2)]

    @pytest.mark.parametrize(
        ("changes", "names"),
        [
            ({"depth": [16], "in_features": 512, "out_features": 2}, ["mlp-512-8x15-2"]),
            ({"depth": [2, 16], "width": [8, 16]}, ["mlp-8x2", "mlp-16x2", "mlp-8x16", "mlp-16x16"]),
        ],
    )
    def test_long_models_have_short_names(self, changes: dict[str, Any], names: list[str]) -> None:
        assert [p.model for p in plan_of(mode=["eager"], **changes).points] == names

    def test_models_that_differ_have_names_that_differ(self) -> None:
        first, second = (
            plan_of(hidden=[8, 16, 8, 8, 8, 8, 8, 8, 8, last], mode=["eager"], out_features=8, in_features=8)
            .points[0]
            .model
            for last in (8, 9)
        )
        assert first != second
        assert max(len(first), len(second)) < 50


class TestPoints:
    def test_every_combination_is_a_point_once(self) -> None:
        plan = plan_of(
            depth=[2, 3], width=[8, 16], batch=[1, 2], devices=[1, 2], workload=["forward", "train"]
        )
        keys = {point.key for point in plan.points}
        assert len(keys) == len(plan.points) == 2 * 2 * 2 * 2 * 2 * 3

    @pytest.mark.parametrize(
        "changes",
        [
            {"depth": [2, 2]},
            {"batch": [1, 1, 1]},
            {"mode": ["eager", "eager", "script", "trace"]},
            {"devices": [1, 1]},
            {"workload": ["forward", "forward"]},
        ],
    )
    def test_a_value_given_twice_is_one_point(self, changes: dict[str, Any]) -> None:
        assert plan_of(**changes).points == plan_of().points

    def test_two_widths_that_make_the_same_model_are_one_point(self) -> None:
        """A single layer between given input and output has no width to vary."""
        plan = plan_of(depth=[1], width=[64, 128], in_features=512, out_features=10)
        assert len({point.key for point in plan.points}) == len(plan.points)
        assert all(len({p.mode for p in c.points}) == len(c.points) for s in plan.sessions for c in s.cells)

    def test_points_of_a_cell_differ_in_mode_only(self) -> None:
        plan = plan_of(depth=[2, 3], batch=[1, 2], devices=[1, 2])
        cells = [cell for session in plan.sessions for cell in session.cells]
        assert len(cells) == 8
        for cell in cells:
            assert [point.mode for point in cell.points] == ["eager", "script", "trace"]
            assert len({replace(point, mode="") for point in cell.points}) == 1
        assert len({cell.id for cell in cells}) == len(cells)

    def test_there_is_a_session_for_each_device_count_in_rising_order(self) -> None:
        plan = plan_of(devices=[2, 1], batch=[1, 2])
        assert [(s.devices, s.ranks, len(s.cells), s.points) for s in plan.sessions] == [
            (1, 1, 2, 6),
            (2, 2, 2, 6),
        ]
        assert all(p.devices == s.devices for s in plan.sessions for c in s.cells for p in c.points)

    def test_no_point_is_lost_between_plan_and_sessions(self) -> None:
        plan = plan_of(depth=[2, 3], devices=[1, 2], workload=["forward", "train"])
        assert {p for s in plan.sessions for c in s.cells for p in c.points} == set(plan.points)


class TestScaling:
    def test_under_weak_scaling_each_device_has_the_whole_batch(self) -> None:
        assert {p.rank_batch for p in plan_of(batch=[6], devices=[1, 2, 3]).points} == {6}

    def test_under_strong_scaling_the_devices_share_it(self) -> None:
        plan = plan_of(batch=[6], devices=[1, 2, 3], scaling="strong", mode=["eager"])
        assert [p.rank_batch for p in plan.points] == [6, 3, 2]
        assert all(p.rank_batch * p.devices == p.batch for p in plan.points)

    def test_a_batch_that_does_not_divide_is_refused(self) -> None:
        with pytest.raises(ConfigError) as caught:
            plan_of(batch=[8, 6], devices=[1, 4], scaling="strong")
        assert (caught.value.key, caught.value.value) == ("batch", 6)
        assert "4" in caught.value.allowed

    def test_a_rule_can_leave_out_what_does_not_divide(self) -> None:
        rule = {"batch": 6, "devices": 4}
        plan = plan_of(batch=[8, 6], devices=[1, 4], scaling="strong", mode=["eager"], exclude=[rule])
        assert [(p.batch, p.devices) for p in plan.points] == [(8, 1), (8, 4), (6, 1)]


class TestExclude:
    def test_a_rule_leaves_out_where_all_its_conditions_hold(self) -> None:
        plan = plan_of(
            depth=[2, 64], batch=[1, 1024, 4096], mode=["eager"], exclude=[{"depth": 64, "batch": ">=1024"}]
        )
        assert [(p.depth, p.batch) for p in plan.points] == [(2, 1), (2, 1024), (2, 4096), (64, 1)]

    def test_any_of_several_rules_is_enough(self) -> None:
        plan = plan_of(depth=[2, 3, 4], mode=["eager"], exclude=[{"depth": 2}, {"depth": 4}])
        assert [p.depth for p in plan.points] == [3]

    def test_a_mode_may_be_left_out_of_some_cells(self) -> None:
        plan = plan_of(depth=[2, 3], exclude=[{"mode": ["script", "trace"], "depth": 3}])
        assert [(p.depth, p.mode) for p in plan.points] == [
            (2, "eager"),
            (2, "script"),
            (2, "trace"),
            (3, "eager"),
        ]

    def test_rules_that_leave_nothing_are_refused(self) -> None:
        with pytest.raises(ConfigError) as caught:
            plan_of(exclude=[{"depth": "<100"}])
        assert caught.value.key == "exclude"


class TestMachine:
    def test_more_ranks_than_cores_are_run_where_that_is_allowed(self) -> None:
        plan = plan_of(devices=[1, 2, 8], oversubscribe=True)
        assert not plan.unsupported
        assert [s.devices for s in plan.sessions] == [1, 2, 8]

    def test_more_ranks_than_cores_are_unsupported_where_it_is_not(self) -> None:
        plan = plan_of(devices=[1, 2, 3], oversubscribe=False)
        assert [s.devices for s in plan.sessions] == [1, 2]
        assert set(plan.unsupported) == {p.key for p in plan.points if p.devices == 3}
        assert all("3 ranks" in r and "2 cores present" in r for r in plan.unsupported.values())

    def test_threads_need_cores_too(self) -> None:
        plan = plan_of(devices=[1, 2], oversubscribe=False, device=DeviceConfig(threads=2))
        assert [s.devices for s in plan.sessions] == [1]

    def test_absent_gpus_are_rows_with_a_reason_under_auto(self) -> None:
        plan = plan_of(FOUR_GPUS, devices=[1, 4, 8])
        assert [s.devices for s in plan.sessions] == [1, 4]
        assert set(plan.unsupported.values()) == {"8 devices asked for, 4 present"}
        assert len(plan.points) == 9, "an unsupported point is a point"

    def test_absent_gpus_are_refused_where_cuda_was_asked_for(self) -> None:
        with pytest.raises(ConfigError) as caught:
            plan_of(replace(FOUR_GPUS, explicit=True), devices=[1, 8])
        assert (caught.value.key, caught.value.value) == ("devices", 8)
        assert "1 to 4" in caught.value.allowed

    def test_gpus_do_not_run_out_of_cores(self) -> None:
        plan = plan_of(replace(FOUR_GPUS, cores=1), devices=[4], oversubscribe=False)
        assert not plan.unsupported

    def test_asking_for_the_cpu_by_name_refuses_no_number_of_ranks(self) -> None:
        assert plan_of(replace(CPU, explicit=True), devices=[8]).sessions[0].ranks == 8


class TestRemaining:
    def test_without_anything_done_everything_remains(self) -> None:
        plan = plan_of(depth=[2, 3], devices=[1, 2])
        assert remaining(plan, set()) == plan

    def test_what_is_done_is_not_done_again(self) -> None:
        plan = plan_of(depth=[2, 3])
        done = {p.key for p in plan.points if p.depth == 2}
        left = [p for s in remaining(plan, done).sessions for c in s.cells for p in c.points]
        assert left == [p for p in plan.points if p.depth == 3]

    def test_a_missing_mode_is_measured_beside_eager(self) -> None:
        plan = plan_of()
        done = {p.key for p in plan.points if p.mode != "trace"}
        (session,) = remaining(plan, done).sessions
        (cell,) = session.cells
        assert [p.mode for p in cell.points] == [REFERENCE_MODE, "trace"]

    def test_when_all_is_done_no_session_is_left(self) -> None:
        plan = plan_of(devices=[1, 2])
        assert remaining(plan, {p.key for p in plan.points}).sessions == ()

    def test_the_points_of_the_sweep_stay_all_of_them(self) -> None:
        plan = plan_of()
        assert remaining(plan, {p.key for p in plan.points}).points == plan.points

    def test_an_unsupported_point_with_its_row_gets_no_second_one(self) -> None:
        plan = plan_of(devices=[1, 8], oversubscribe=False)
        first = next(iter(plan.unsupported))
        assert set(remaining(plan, {first}).unsupported) == set(plan.unsupported) - {first}


class TestEstimate:
    def estimate(self, **changes: Any) -> tuple[float, float]:
        return estimate_seconds(plan_of(**changes), Config(), CPU)

    def test_least_is_not_more_than_most(self) -> None:
        least, most = self.estimate()
        assert 0 < least <= most

    def test_more_points_take_longer(self) -> None:
        one, two = self.estimate(depth=[2]), self.estimate(depth=[2, 3])
        assert two[0] > one[0] and two[1] > one[1]

    @pytest.mark.parametrize(
        "change", [{"batch": [2**18]}, {"depth": [4096]}, {"width": [8192]}], ids=lambda c: next(iter(c))
    )
    def test_larger_steps_take_longer(self, change: dict[str, Any]) -> None:
        assert self.estimate(**change)[0] > self.estimate()[0]

    def test_a_second_start_costs_its_time(self) -> None:
        together, apart = self.estimate(batch=[1, 2]), self.estimate(devices=[1, 2])
        assert apart[0] > together[0]

    def test_no_cell_takes_longer_than_its_limit(self) -> None:
        plan = plan_of(batch=[2**22], depth=[64], mode=["eager"])
        short, long = (
            estimate_seconds(plan, Config(timing=TimingConfig(max_cell_s=s)), CPU) for s in (10.0, 20.0)
        )
        assert long[1] - short[1] == pytest.approx(10.0)

    def test_a_cell_takes_the_rounds_that_an_interval_needs_whatever_its_limit(self) -> None:
        plan = plan_of(batch=[2**24], depth=[64], mode=["eager"])
        short, shorter = (
            estimate_seconds(plan, Config(timing=TimingConfig(max_cell_s=s)), CPU) for s in (1e-2, 1e-3)
        )
        assert short == shorter

    def test_a_gpu_takes_less_than_a_core_for_a_large_step(self) -> None:
        plan = plan_of(batch=[2**20], depth=[64], width=[1024])
        assert estimate_seconds(plan, Config(), FOUR_GPUS)[1] < estimate_seconds(plan, Config(), CPU)[1]

    def test_nothing_takes_no_time(self) -> None:
        plan = plan_of()
        assert estimate_seconds(remaining(plan, {p.key for p in plan.points}), Config(), CPU) == (0, 0)


class TestAllocation:
    """What a SLURM job was given: nodes with so many devices each, and no more."""

    GIVEN = replace(FOUR_GPUS, count=8, nodes=2, allocated=True, explicit=True)

    def reasons(self, inventory: Inventory = GIVEN, **axes: Any) -> dict[int, str]:
        config = Config(**{"depth": [2], "width": [8], "mode": ["eager"], **axes})
        plan = make_plan(config, inventory)
        return {p.devices: plan.unsupported[p.key] for p in plan.points if p.key in plan.unsupported}

    def test_a_session_has_as_few_nodes_as_have_its_devices(self) -> None:
        assert [self.GIVEN.nodes_for(devices) for devices in (1, 8, 9, 16)] == [1, 1, 2, 2]
        assert FOUR_GPUS.nodes_for(16) == 1, "without a job there is one node, whatever is asked for"

    def test_what_the_job_has_not_is_unsupported_and_not_refused(self) -> None:
        told = "17 devices asked for, 16 in the allocation (2 nodes with 8 each)"
        assert self.reasons(devices=[1, 8, 16, 17]) == {17: told}
        assert self.reasons(replace(self.GIVEN, nodes=1), devices=[9]) == {
            9: "9 devices asked for, 8 in the allocation (1 node with 8 each)"
        }

    def test_cpu_ranks_are_limited_by_it_too(self) -> None:
        given = replace(CPU, count=2, nodes=2, allocated=True)
        assert list(self.reasons(given, devices=[2, 4, 5])) == [5]

    @pytest.mark.parametrize("controller", ["threads", "loop"])
    def test_one_process_drives_the_devices_of_one_node(self, controller: str) -> None:
        assert list(self.reasons(devices=[8, 9], controller=[controller])) == [9]

    def test_cores_are_those_of_all_its_nodes(self) -> None:
        given = replace(CPU, count=2, cores=2, nodes=2, allocated=True)
        assert self.reasons(given, devices=[2, 4], oversubscribe=False) == {}


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; from harness.plan.config import Config; from harness.plan.points import *; "
        "make_plan(Config(depth=[2], width=[8]), Inventory('cpu', 2, '', 2)); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": python_path()},
    )
    assert done.stdout.strip() == "False"
