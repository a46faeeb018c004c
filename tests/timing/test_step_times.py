"""The rounds of a build so far, on known times."""

from __future__ import annotations

from harness.timing.step_times import Rounds


def rounds_of(**series: list[float]) -> Rounds:
    rounds = Rounds()
    for values in zip(*series.values(), strict=True):
        rounds.add(dict(zip(series, values, strict=True)))
    return rounds


def test_the_median_step_is_told_in_microseconds() -> None:
    assert rounds_of(eager=[1000.0, 3000.0, 2000.0]).step_us("eager") == 2.0


def test_a_mode_that_failed_is_forgotten_and_the_rounds_stay() -> None:
    rounds = rounds_of(eager=[1.0, 2.0], script=[1.0, 2.0])
    rounds.drop("script")
    assert set(rounds.step_ns) == {"eager"}
    assert rounds.count == 2


def test_dropping_an_unknown_mode_is_no_error() -> None:
    rounds = rounds_of(eager=[1.0])
    rounds.drop("script")
    assert rounds.count == 1
