"""From a configuration to points."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from plans import plan_of, sizes_of
from running import python_path

from harness.core.errors import ConfigError


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


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; from harness.plan.config import Config; from harness.plan.inventory import Inventory; "
        "from harness.plan.layout import make_plan; "
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
