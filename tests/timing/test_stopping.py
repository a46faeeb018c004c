"""The rules that stop a cell do the right thing on known times."""

from __future__ import annotations

import random

from known_rounds import rounds_of

from harness.core.schema import CAPPED, NOISY, SETTLED
from harness.core.stats import FEWEST_FOR_INTERVAL
from harness.timing.step_times import Rounds
from harness.timing.stopping import Capped, Hopeless, Narrow, stop_reason


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

    def test_without_rounds_nothing_stops_and_nothing_fails(self) -> None:
        rules = (Narrow(0.02), Hopeless(0.02, 60), Capped(60, 15.0))
        assert stop_reason(Rounds("eager"), rules, 0) is None
