"""How often a cell is measured, and which cells hold a null."""

from __future__ import annotations

import pytest
from plans import plan_of

from harness.plan.config import TimingConfig
from harness.plan.points import Cell
from harness.plan.repeats import cells_with_null, rounds_of_build

TIMING = TimingConfig(sessions=4, builds=2, rounds=6, max_cell_s=8.0)


@pytest.mark.parametrize(
    ("round_s", "rounds"), [(0.01, 6), (0.16, 6), (0.4, 2), (0.99, 1), (50.0, 1), (0.0, 6)]
)
def test_rounds_fit_into_the_cells_time_over_all_sessions_and_builds(round_s: float, rounds: int) -> None:
    assert rounds_of_build(TIMING, round_s) == rounds


class TestNulls:
    plan = plan_of(depth=[2, 3, 4], batch=[1, 2, 3, 4], devices=[1, 2])

    def test_none_is_asked_for(self) -> None:
        assert cells_with_null(self.plan.points, 0) == frozenset()

    def test_every_cell_holds_one(self) -> None:
        assert cells_with_null(self.plan.points, 1) == {Cell((p,)).id for p in self.plan.points}

    @pytest.mark.parametrize("every", [2, 3, 100])
    def test_one_in_so_many_of_each_number_of_devices(self, every: int) -> None:
        nulls = cells_with_null(self.plan.points, every)
        for devices in (1, 2):
            own = {Cell((p,)).id for p in self.plan.points if p.devices == devices}
            assert len(nulls & own) == -(-len(own) // every)

    def test_they_are_not_of_one_batch_size(self) -> None:
        nulls = cells_with_null(self.plan.points, 2)
        assert len({p.batch for p in self.plan.points if Cell((p,)).id in nulls}) > 2

    def test_a_cell_without_eager_has_none(self) -> None:
        assert not cells_with_null(plan_of(mode=["script", "trace"]).points, 1)
