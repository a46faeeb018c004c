"""Timed blocks do exactly what they say, and the rules for warm-up and stopping do the right thing on known times."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from harness.core.stats import FEWEST_FOR_INTERVAL
from harness.timing.blocks import (
    CAPPED,
    GROWTH,
    LONG_ENOUGH,
    NOISY,
    SETTLED,
    Capped,
    Hopeless,
    Narrow,
    Rounds,
    WarmUp,
    clock_cost_ns,
    stop_reason,
    time_block,
    time_burst,
)

MS = 1e6


def nothing() -> None:
    pass


class FakeGate:
    """A gate that writes down what is asked of it."""

    def __init__(self, happened: list[str], *, held: bool = True, elapsed_ns: float = 1.0) -> None:
        self.happened, self.held, self.elapsed = happened, held, elapsed_ns

    def close(self) -> None:
        self.happened.append("close")

    def begin(self) -> None:
        self.happened.append("begin")

    def end(self) -> bool:
        self.happened.append("end")
        return self.held

    def elapsed_ns(self) -> float:
        self.happened.append("elapsed")
        return self.elapsed


def a_burst(step: Callable[[], object], steps: int, wait: Callable[[], None]) -> None:
    time_burst(step, steps, FakeGate([]), wait)


class TestBlocks:
    @pytest.mark.parametrize("steps", [1, 2, 1000])
    def test_a_block_makes_its_steps_and_no_more(self, steps: int) -> None:
        calls: list[int] = []
        block = time_block(lambda: calls.append(1), steps, nothing)
        assert len(calls) == block.steps == steps

    def test_the_device_is_waited_for_before_the_first_step_and_after_the_last(self) -> None:
        happened: list[str] = []
        time_block(lambda: happened.append("step"), 3, lambda: happened.append("wait"))
        assert happened == ["wait", "step", "step", "step", "wait"]

    def test_the_wait_for_the_device_is_part_of_the_block_and_the_one_before_is_not(self) -> None:
        waits = iter([0.2, 0.02])
        block = time_block(nothing, 1, lambda: time.sleep(next(waits)))
        assert 0.02e9 <= block.wall_ns < 0.2e9

    def test_a_burst_is_issued_to_a_device_that_is_held_and_waited_for_afterwards(self) -> None:
        happened: list[str] = []

        def wait() -> None:
            happened.append("wait")
            time.sleep(0.1)

        burst = time_burst(lambda: happened.append("step"), 2, FakeGate(happened), wait)
        timed = ["begin", "step", "step", "end"]
        assert happened == ["wait", "close", "step", *timed, "wait", "elapsed"]
        assert burst.issue_ns < 0.05e9

    def test_a_single_step_may_fill_the_queue_and_has_none_before_it(self) -> None:
        happened: list[str] = []
        time_burst(lambda: happened.append("step"), 1, FakeGate(happened), nothing)
        assert happened.count("step") == 1

    def test_issue_and_device_time_are_those_of_one_step(self) -> None:
        burst = time_burst(lambda: time.sleep(0.005), 10, FakeGate([], elapsed_ns=70.0), nothing)
        assert 0.005e9 <= burst.issue_ns < 0.05e9
        assert burst.device_ns == 7.0

    def test_a_burst_whose_second_half_waits_for_room_says_so(self) -> None:
        pauses = iter([0.0, *[0.002] * 3, *[0.02] * 3])  # the first goes before the burst
        burst = time_burst(lambda: time.sleep(next(pauses)), 6, FakeGate([]), nothing)
        assert burst.growth is not None and burst.growth > 4

    def test_a_burst_of_an_odd_number_of_steps_compares_steps_and_not_halves(self) -> None:
        burst = time_burst(lambda: time.sleep(0.01), 3, FakeGate([]), nothing)
        assert burst.growth is not None and 0.5 < burst.growth < 2
        assert time_burst(nothing, 1, FakeGate([]), nothing).growth is None

    def test_what_makes_steps_by_itself_is_asked_once_for_all_of_them(self) -> None:
        asked: list[int] = []

        def never() -> None:
            raise AssertionError("a step from Python")

        assert time_block(never, 7, nothing, repeat=asked.append).steps == 7
        assert asked == [7]
        asked.clear()
        time_burst(never, 5, FakeGate([]), nothing, repeat=asked.append)
        assert asked == [1, 3, 2]  # one ahead, then both halves

    def test_a_device_that_was_let_go_too_early_has_no_time(self) -> None:
        assert time_burst(nothing, 10, FakeGate([], held=False), nothing).device_ns is None

    @pytest.mark.parametrize("timed", [time_block, a_burst])
    def test_no_garbage_is_collected_within_and_it_is_again_after(self, timed) -> None:
        seen: list[bool] = []
        assert gc.isenabled()
        timed(lambda: seen.append(gc.isenabled()), 2, nothing)
        assert set(seen) == {False}
        assert gc.isenabled()

    @pytest.mark.parametrize("timed", [time_block, a_burst])
    def test_a_step_that_raises_leaves_the_collector_on(self, timed) -> None:
        def fail() -> None:
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            timed(fail, 2, nothing)
        assert gc.isenabled()

    @pytest.mark.parametrize("timed", [time_block, a_burst])
    def test_a_collector_that_was_off_stays_off(self, timed) -> None:
        gc.disable()
        try:
            timed(nothing, 2, nothing)
            assert not gc.isenabled()
        finally:
            gc.enable()

    def test_the_result_of_a_step_is_dropped_before_the_next(self) -> None:
        """Else a step would need twice the memory, and reuse none of it."""
        alive = most = 0

        class Result:
            def __init__(self) -> None:
                nonlocal alive, most
                alive += 1
                most = max(most, alive)

            def __del__(self) -> None:
                nonlocal alive
                alive -= 1

        time_block(Result, 5, nothing)
        assert most == 1

    def test_usage_is_recorded_where_asked_for(self) -> None:
        def work() -> None:
            end = time.thread_time_ns() + 30_000_000
            while time.thread_time_ns() < end:
                pass

        busy = time_block(work, 1, nothing)
        idle = time_block(lambda: time.sleep(0.05), 1, nothing)
        assert busy.main_ns is not None and busy.cpu_ns is not None and idle.main_ns is not None
        assert busy.main_ns >= 30_000_000
        assert busy.cpu_ns >= 0.8 * busy.main_ns
        assert idle.main_ns < 0.5 * idle.wall_ns
        assert idle.waits is not None and idle.waits >= 1
        assert idle.preemptions is not None and idle.preemptions >= 0

    def test_without_usage_there_is_none(self) -> None:
        block = time_block(nothing, 1, nothing, usage=False)
        assert (block.cpu_ns, block.main_ns, block.waits, block.preemptions) == (None,) * 4
        assert block.wall_ns >= 0

    def test_the_cost_of_the_clock_is_that_of_one_pair_of_readings(self) -> None:
        """It is the median of 1,001 pairs, so it is far below what they took together."""
        start = time.monotonic_ns()
        cost = clock_cost_ns()
        assert 0 < cost < (time.monotonic_ns() - start) / 500


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

    def test_one_disturbed_block_does_not_keep_it_from_settling(self) -> None:
        warm_up = WarmUp(10 * MS, float("inf"))
        walls = [20 * MS] * 6
        walls[4] *= 30
        answers = [warm_up.next_steps(wall) for wall in walls]
        assert answers[-1] is None
        assert warm_up.settled

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


def rounds_of(**series: list[float]) -> Rounds:
    rounds = Rounds("eager")
    for values in zip(*series.values(), strict=True):
        rounds.add(dict(zip(series, values, strict=True)), 0.01)
    return rounds


def run_rules(
    source, *, rel_width: float = 0.02, min_rounds: int = 30, max_rounds: int = 60, max_s: float = 15.0
) -> tuple[str, Rounds]:
    """Feed rounds from source() -> ({mode: step_ns}, wall_s) until a rule holds."""
    rounds = Rounds("eager")
    rules = (Narrow(rel_width), Hopeless(rel_width, max_rounds), Capped(max_rounds, max_s))
    reason = None
    while reason is None:
        rounds.add(*source())
        reason = stop_reason(rounds, rules, min_rounds)
        assert rounds.count < 10_000
    return reason, rounds


class TestStopping:
    def test_quiet_data_stops_at_the_least_number_of_rounds(self) -> None:
        source = random.Random(1)
        reason, rounds = run_rules(
            lambda: ({"eager": source.gauss(1000, 2), "script": source.gauss(300, 1)}, 0.02)
        )
        assert (reason, rounds.count) == (SETTLED, 30)

    def test_hopeless_noise_stops_before_the_cap(self) -> None:
        source = random.Random(2)
        reason, rounds = run_rules(
            lambda: ({"eager": source.gauss(1000, 300), "script": source.gauss(300, 90)}, 0.001),
            max_rounds=400,
        )
        assert reason == NOISY
        assert 30 <= rounds.count < 400

    def test_noise_that_the_cap_can_beat_is_not_given_up(self) -> None:
        """5 % noise, 400 rounds: the interval gets narrow, and the rules must wait for it."""
        source = random.Random(3)
        reason, rounds = run_rules(lambda: ({"eager": source.gauss(1000, 50)}, 0.001), max_rounds=400)
        assert reason == SETTLED
        assert rounds.interval("eager").relative_half_width <= 0.02

    def test_noise_is_not_called_hopeless_while_its_estimate_moves(self) -> None:
        """Noise that grows, or falls, foretells nothing; the same noise standing still does."""
        rule = Hopeless(0.02, 60)

        def ever_hopeless(growth: float) -> bool:
            rounds, found = Rounds("eager"), False
            for n in range(60):
                rounds.add({"eager": 1000 + 100 * (-1) ** n * growth**n}, 0.01)
                found = found or rule.holds(rounds)
            return found

        assert ever_hopeless(1.0)
        assert not ever_hopeless(1.04)

    def test_one_noisy_mode_makes_the_cell_noisy(self) -> None:
        source = random.Random(4)
        reason, _ = run_rules(
            lambda: ({"eager": 1000.0, "script": source.gauss(300, 60)}, 0.001), max_rounds=100
        )
        assert reason == NOISY

    def test_rounds_are_capped_by_number(self) -> None:
        rounds, rule = Rounds("eager"), Capped(60, 1e9)
        held = []
        for n in range(60):
            rounds.add({"eager": 1000.0 + n}, 0.01)
            held.append(rule.holds(rounds))
        assert held == [False] * 59 + [True]

    def test_rounds_are_capped_by_time_even_before_the_least_number(self) -> None:
        source = random.Random(6)
        reason, rounds = run_rules(lambda: ({"eager": source.gauss(1000, 300)}, 2.0))
        assert reason == CAPPED
        assert rounds.count == 8
        assert rounds.wall_s == 16.0

    def test_not_even_time_stops_a_cell_before_there_is_an_interval(self) -> None:
        reason, rounds = run_rules(lambda: ({"eager": 1000.0}, 1000.0))
        assert (reason, rounds.count) == (CAPPED, FEWEST_FOR_INTERVAL)

    def test_narrow_data_does_not_stop_before_the_least_number(self) -> None:
        reason, rounds = run_rules(lambda: ({"eager": 1000.0}, 0.001), min_rounds=12)
        assert (reason, rounds.count) == (SETTLED, 12)

    def test_narrow_comes_before_capped_where_both_hold(self) -> None:
        reason, _ = run_rules(lambda: ({"eager": 1000.0}, 0.001), min_rounds=10, max_rounds=10)
        assert reason == SETTLED

    def test_every_mode_must_be_narrow(self) -> None:
        quiet = [1000.0] * 30
        wide = [1000.0 + 200 * (n % 2) for n in range(30)]
        assert Narrow(0.02).holds(rounds_of(eager=quiet, script=quiet))
        assert not Narrow(0.02).holds(rounds_of(eager=quiet, script=wide))
        assert not Narrow(0.02).holds(rounds_of(eager=quiet, script=quiet, trace=wide))


class TestRounds:
    def test_common_drift_cancels_in_the_paired_ratios(self) -> None:
        """A machine that becomes 3 times slower: step times are wide, their ratio is sharp."""
        source = random.Random(7)
        rounds = Rounds("eager")
        for n in range(60):
            drift = 1 + 2 * n / 60
            rounds.add(
                {
                    "eager": 1000 * drift * source.gauss(1, 0.003),
                    "script": 250 * drift * source.gauss(1, 0.003),
                },
                0.01,
            )
        ratio = rounds.interval("script")
        assert ratio.low < 4.0 < ratio.high or ratio.median == pytest.approx(4.0, rel=0.003)
        assert ratio.relative_half_width < 0.01
        assert rounds.interval("eager").relative_half_width > 0.1

    def test_the_ratio_is_the_reference_over_the_mode(self) -> None:
        rounds = rounds_of(eager=[30.0, 60.0], script=[10.0, 15.0])
        assert rounds.figure("script") == [3.0, 4.0]
        assert rounds.figure("eager") == [30.0, 60.0]

    def test_a_mode_without_its_reference_is_judged_by_its_own_times(self) -> None:
        rounds = rounds_of(script=[10.0, 11.0, 12.0], trace=[9.0, 9.0, 9.0])
        assert rounds.figure("script") == [10.0, 11.0, 12.0]
        assert rounds.figure("trace") == [9.0, 9.0, 9.0]

    def test_a_mode_that_is_dropped_in_mid_cell_no_longer_counts(self) -> None:
        wide = [1000.0 + 500 * (n % 2) for n in range(30)]
        rounds = rounds_of(eager=[1000.0] * 30, script=wide)
        assert stop_reason(rounds, (Narrow(0.02),), 30) is None
        rounds.drop("script")
        assert stop_reason(rounds, (Narrow(0.02),), 30) == SETTLED

    def test_when_the_reference_is_dropped_the_others_go_on(self) -> None:
        rounds = rounds_of(eager=[1000.0] * 10, script=[500.0] * 10)
        rounds.drop("eager")
        for _ in range(20):
            rounds.add({"script": 500.0}, 0.01)
        assert rounds.count == 30
        rules = (Narrow(0.02), Hopeless(0.02, 60), Capped(60, 15.0))
        assert stop_reason(rounds, rules, 30) == SETTLED

    def test_dropping_an_unknown_mode_is_no_error(self) -> None:
        rounds = rounds_of(eager=[1.0])
        rounds.drop("script")
        assert rounds.count == 1

    def test_the_median_step_is_told_in_microseconds(self) -> None:
        assert rounds_of(eager=[1000.0, 3000.0, 2000.0]).step_us("eager") == 2.0

    def test_without_rounds_nothing_stops_and_nothing_fails(self) -> None:
        rules = (Narrow(0.02), Hopeless(0.02, 60), Capped(60, 15.0))
        assert stop_reason(Rounds("eager"), rules, 0) is None
