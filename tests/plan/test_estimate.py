"""How long a plan is likely to take."""

from __future__ import annotations

from typing import Any

import pytest
from plans import CPU, FOUR_GPUS, plan_of

from harness.plan.config import Config, TimingConfig
from harness.plan.estimate import estimate_seconds
from harness.plan.points import remaining


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
            estimate_seconds(plan, Config(timing=TimingConfig(max_cell_s=s)), CPU) for s in (10.0, 60.0)
        )
        # Whole rounds: of each build as many as fit.
        assert 0 < long[0] - short[0] <= 60.0

    def test_every_build_of_a_cell_takes_one_round_whatever_its_limit(self) -> None:
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
