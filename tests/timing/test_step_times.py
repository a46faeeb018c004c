"""The figures of a cell whose intervals decide, on known times."""

from __future__ import annotations

import random

import pytest
from known_rounds import rounds_of

from harness.timing.step_times import Rounds


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

    def test_dropping_an_unknown_mode_is_no_error(self) -> None:
        rounds = rounds_of(eager=[1.0])
        rounds.drop("script")
        assert rounds.count == 1

    def test_the_median_step_is_told_in_microseconds(self) -> None:
        assert rounds_of(eager=[1000.0, 3000.0, 2000.0]).step_us("eager") == 2.0
