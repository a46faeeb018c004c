"""How long a mode is warmed up, on known times."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from harness.timing.warm_up import GROWTH, LONG_ENOUGH, WarmUp

MS = 1e6


class Machine:
    """A device whose step times are known: `cold` steps take as long as they say, later ones step_ns."""

    def __init__(self, step_ns: float, cold: list[float] | None = None, noise: float = 0.0) -> None:
        self.step_ns, self.cold, self.noise = step_ns, list(cold or []), noise
        self.source = random.Random(1)

    def block(self, steps: int) -> float:
        wall = 0.0
        while self.cold and steps:
            wall += self.cold.pop(0)
            steps -= 1
        return wall + steps * self.step_ns * (1 + self.source.uniform(-self.noise, self.noise))


def warm(
    machine: Machine, block_ns: float = 10 * MS, limit_ns: float = 2000 * MS
) -> tuple[WarmUp, list[int]]:
    """Warm up to the end; answers the bookkeeping and the sizes of the blocks."""
    warm_up = WarmUp(block_ns, limit_ns)
    sizes, steps = [warm_up.steps], warm_up.next_steps(machine.block(warm_up.steps))
    while steps is not None:
        sizes.append(steps)
        assert len(sizes) < 10_000, "warm-up does not end"
        steps = warm_up.next_steps(machine.block(steps))
    return warm_up, sizes


class TestWarmUp:
    @pytest.mark.parametrize("step_ns", [200.0, 3_000.0, 70_000.0, 1.4 * MS])
    def test_a_block_grows_until_it_is_long_enough_and_no_longer(self, step_ns: float) -> None:
        warm_up, sizes = warm(Machine(step_ns))
        assert warm_up.settled
        assert LONG_ENOUGH * 10 * MS <= warm_up.steps * step_ns <= 10 * MS + step_ns
        assert sizes == sorted(sizes)
        assert sizes[-1] == warm_up.steps

    def test_a_block_grows_tenfold_at_most(self) -> None:
        _, sizes = warm(Machine(100.0))
        assert max(after / before for before, after in pairwise(sizes)) <= GROWTH

    def test_a_step_longer_than_a_block_is_a_block(self) -> None:
        warm_up, sizes = warm(Machine(50 * MS))
        assert set(sizes) == {1}
        assert warm_up.settled

    @pytest.mark.parametrize("cold_calls", [1, 3])
    def test_cold_calls_a_thousand_times_slower_change_nothing_in_the_end(self, cold_calls: int) -> None:
        step_ns = 20_000.0
        warm_up, _ = warm(Machine(step_ns, cold=[1000 * step_ns] * cold_calls))
        assert warm_up.settled
        assert warm_up.steps * step_ns >= LONG_ENOUGH * 10 * MS

    def test_a_device_that_speeds_up_slowly_is_waited_for(self) -> None:
        """Clocks that rise by 10 % a block are not settled, however many blocks have passed."""
        warm_up = WarmUp(10 * MS, float("inf"))
        step_ns, walls = 20 * MS, 0
        while warm_up.next_steps(step_ns) is not None:
            walls += 1
            step_ns *= 0.9 if walls < 20 else 1.0
            assert walls < 100
        assert walls >= 20

    def test_one_disturbed_block_keeps_it_from_settling_until_it_has_passed(self) -> None:
        warm_up = WarmUp(10 * MS, float("inf"))
        walls = [20 * MS] * 7
        walls[2] *= 30
        answers = [warm_up.next_steps(wall) for wall in walls]
        assert None not in answers[:-1]
        assert answers[-1] is None
        assert warm_up.settled

    def test_a_mode_that_was_warm_before_shows_it_with_two_blocks_of_the_size_it_had(self) -> None:
        warm_up = WarmUp(10 * MS, float("inf"), steps=7)
        assert warm_up.steps == 7
        assert warm_up.next_steps(10 * MS) == 7
        assert warm_up.next_steps(10 * MS) is None
        assert warm_up.step_ns * 7 == pytest.approx(10 * MS)

    def test_without_settling_it_ends_at_the_limit_and_says_so(self) -> None:
        warm_up = WarmUp(10 * MS, 500 * MS)
        wall = 20 * MS
        blocks = 1
        while warm_up.next_steps(wall) is not None:
            wall *= 1.3
            blocks += 1
            assert blocks < 100
        assert not warm_up.settled
        assert warm_up.spent_ns >= 500 * MS
        assert warm_up.spent_ns - wall < 500 * MS, "no block was begun after the limit"

    def test_a_step_longer_than_the_limit_is_made_twice(self) -> None:
        """Once may be cold."""
        warm_up, sizes = warm(Machine(5000 * MS), limit_ns=2000 * MS)
        assert sizes == [1, 1]
        assert not warm_up.settled

    def test_what_was_spent_is_the_sum_of_all_blocks(self) -> None:
        warm_up = WarmUp(10 * MS, 1.0)
        assert warm_up.next_steps(20 * MS) is not None
        assert warm_up.next_steps(21 * MS) is None
        assert warm_up.spent_ns == 41 * MS

    def test_the_same_times_give_the_same_decisions(self) -> None:
        """On every rank: they are fed the same gathered numbers and must stay in step."""
        assert warm(Machine(3_000.0, noise=0.3))[1] == warm(Machine(3_000.0, noise=0.3))[1]
