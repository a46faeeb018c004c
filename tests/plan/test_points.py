"""Keys, cells, and what of a plan remains."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest
from plans import POINT, plan_of
from running import python_path

from harness.core.schema import REFERENCE_MODE
from harness.plan.points import Cell, Point, remaining
from harness.plan.recipe import Recipe


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
            {"recipe": Recipe(loss="a:b")},
            {"depth": 3},
            {"width": 16},
            {"batch": 5},
            {"devices": 2},
            {"controller": "threads"},
            {"workload": "train"},
            {"dtype": "float64"},
            {"mode": "script"},
            {"scaling": "strong"},
            {"autograd": "grad"},
            {"environment": "mine"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_axis_has_its_part_in_the_key(self, change: dict[str, Any]) -> None:
        other = replace(POINT, **change)
        assert other.key != POINT.key
        # The points of a cell differ in mode and environment, and in nothing else.
        within = bool({"mode", "environment"} & set(change))
        assert (Cell((other,)).id == Cell((POINT,)).id) is within

    def test_the_axes_above_are_all_there_are(self) -> None:
        axes = "model sizes depth width batch devices controller workload dtype mode scaling autograd environment"
        assert set(asdict(POINT)) == {*axes.split(), "recipe"}

    def test_a_point_survives_json(self) -> None:
        again = Point.from_dict(json.loads(json.dumps(asdict(POINT))))
        assert again == POINT
        assert again.key == POINT.key


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
