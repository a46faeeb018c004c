"""Intervals cover what they claim: of a median, and of what was repeated in several sessions."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from scipy.stats import binom, t

from harness.core.stats.intervals import (
    FEWEST_FOR_INTERVAL,
    Interval,
    median_interval,
    order_statistic_rank,
    over_sessions,
    t_quantile,
)
from harness.core.stats.spread import FEWEST_SWEEPS, between_sweeps

COUNTS = [*range(FEWEST_FOR_INTERVAL, 130), 200, 399, 400, 1000, 1023, 1024, 1025, 1500]


@pytest.mark.parametrize("dof", [1, 1.02, 1.5, 2, 3, 4.7, 9, 31, 100, 1e4, 1e6, 3e6, 4e6, 1e9])
def test_students_t(dof: float) -> None:
    assert t_quantile(dof) == pytest.approx(t.ppf(0.975, dof), rel=1e-6)


@pytest.mark.parametrize("count", COUNTS)
def test_the_interval_is_the_narrowest_that_covers_the_median_with_95_per_cent(count: int) -> None:
    rank = order_statistic_rank(count)
    # x(rank), counted from 0, lies above the median when at most `rank` values lie below it.
    assert binom.cdf(rank, count, 0.5) <= 0.025
    assert binom.cdf(rank + 1, count, 0.5) > 0.025


@pytest.mark.parametrize("count", range(1, FEWEST_FOR_INTERVAL))
def test_too_few_values_for_an_interval_give_the_whole_range(count: int) -> None:
    values = [float(v) for v in range(count)]
    interval = median_interval(values)
    assert (interval.low, interval.high) == (values[0], values[-1])


def test_fewest_for_interval_is_the_first_number_that_has_one() -> None:
    """P(all values on one side) = 2 / 2^n must be at most 5 %."""
    assert 2 / 2**FEWEST_FOR_INTERVAL <= 0.05 < 2 / 2 ** (FEWEST_FOR_INTERVAL - 1)


@pytest.mark.parametrize("count", [6, 8, 30, 61])
def test_intervals_of_skewed_noise_cover_the_true_median(count: int) -> None:
    """Timings are skewed to the right; the interval must not assume otherwise."""
    source = random.Random(count)
    covered = 0
    for _ in range(2000):
        interval = median_interval([source.lognormvariate(0.0, 1.0) for _ in range(count)])
        covered += interval.low <= 1.0 <= interval.high
    # 95 % at least; three standard errors of 2,000 trials are 1.5 %.
    assert covered / 2000 > 0.935


@pytest.mark.parametrize("count", [1, 2, 7, 8, 31])
def test_the_median_is_the_median_whatever_the_order(count: int) -> None:
    values = [float(v * v) for v in range(count)]
    random.Random(3).shuffle(values)
    interval = median_interval(values)
    assert interval.estimate == median(values)
    assert interval.low <= interval.estimate <= interval.high


def test_the_values_are_left_in_their_order() -> None:
    values = [3.0, 1.0, 2.0]
    median_interval(values)
    assert values == [3.0, 1.0, 2.0]


def test_the_relative_half_width_is_half_the_interval_over_the_median() -> None:
    assert Interval(10.0, 9.0, 12.0).relative_half_width == pytest.approx(0.15)
    assert Interval(-10.0, -12.0, -9.0).relative_half_width == pytest.approx(0.15)


def test_a_median_of_zero_is_never_narrow() -> None:
    assert Interval(0.0, 0.0, 0.0).relative_half_width == float("inf")


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError):
        median_interval([])
    with pytest.raises(ValueError):
        over_sessions([])


def test_one_outlier_does_not_move_the_interval_of_a_median() -> None:
    values = [100.0 + v / 10 for v in range(40)]
    assert median_interval([*values[:-1], 1e9]) == median_interval(values)


class TestSessions:
    """Values of sessions that differ by more than their rounds know: only the sessions tell by how much."""

    @pytest.mark.parametrize("sessions", [3, 5, 10])
    def test_intervals_cover_the_true_value_as_often_as_they_say(self, sessions: int) -> None:
        source = random.Random(sessions)
        covered = 0
        for _ in range(2000):
            interval = over_sessions([math.exp(source.gauss(1.0, 0.02)) for _ in range(sessions)]).interval()
            covered += interval.low <= math.e <= interval.high
        # Three standard errors of 2,000 trials are 1.5 %.
        assert covered / 2000 == pytest.approx(0.95, abs=0.015)

    def test_the_estimate_is_the_geometric_mean(self) -> None:
        assert over_sessions([1.0, 4.0]).estimate == pytest.approx(2.0)

    def test_one_session_is_itself_and_has_no_interval(self) -> None:
        interval = over_sessions([3.3]).interval()
        assert interval.estimate == 3.3
        assert math.isnan(interval.low) and math.isnan(interval.high)
        assert math.isnan(interval.relative_half_width)

    def test_sessions_that_agree_leave_no_doubt(self) -> None:
        interval = over_sessions([2.0, 2.0, 2.0]).interval()
        assert (interval.low, interval.high) == (interval.estimate, interval.estimate)

    def test_a_quotient_of_two_that_share_no_session_covers_the_true_one(self) -> None:
        """With spreads that differ ten times, where pooled variances would fail."""
        source = random.Random(4)
        covered = 0
        for _ in range(2000):
            ours = over_sessions([math.exp(source.gauss(0.5, 0.03)) for _ in range(5)])
            theirs = over_sessions([math.exp(source.gauss(0.0, 0.003)) for _ in range(5)])
            interval = ours.over(theirs).interval()
            covered += interval.low <= math.exp(0.5) <= interval.high
        assert covered / 2000 == pytest.approx(0.95, abs=0.015)

    def test_a_quotient_with_what_was_measured_once_has_no_interval(self) -> None:
        several, once = over_sessions([2.0, 2.1, 1.9]), over_sessions([4.0])
        for quotient in (several.over(once), once.over(several)):
            assert math.isnan(quotient.interval().low)

    def test_what_is_left_of_one_has_its_ends_in_order(self) -> None:
        left = Interval(0.3, 0.2, 0.4).taken_from_one(0.0)
        assert (left.estimate, left.low, left.high) == pytest.approx((0.7, 0.6, 0.8))
        assert Interval(1.1, 1.0, 1.2).taken_from_one(0.0) == Interval(0.0, 0.0, 0.0)


class TestDrift:
    """Sweeps of a machine that is slower in some of them, of which the sessions of one know nothing."""

    @staticmethod
    def sweeps(source: random.Random, drift: float, count: int) -> list[list[float]]:
        return [
            [100.0 * math.exp(slow + source.gauss(0.0, 0.01)) for _ in range(source.choice([2, 5, 9]))]
            for slow in [source.gauss(0.0, drift) for _ in range(count)]
        ]

    @pytest.mark.parametrize("drift", [0.0, 0.02, 0.1])
    def test_what_sweeps_differ_by_beyond_their_sessions_is_found_again(self, drift: float) -> None:
        spread = between_sweeps(self.sweeps(random.Random(1), drift, 2000))
        assert spread is not None
        assert spread.sd == pytest.approx(drift, rel=0.1, abs=0.002)
        assert spread.dof == 1999

    def test_sessions_that_were_disturbed_hide_no_drift(self) -> None:
        """By mean squares one session in 20 that took half as long again made it 0."""
        source = random.Random(4)
        sweeps = [
            [time * 1.5 if source.random() < 0.05 else time for time in sweep]
            for sweep in self.sweeps(source, 0.02, 2000)
            if len(sweep) > 2  # of two, the median is no other than the mean
        ]
        spread = between_sweeps(sweeps)
        assert spread is not None and spread.sd == pytest.approx(0.02, rel=0.25)

    def test_few_sweeps_or_single_sessions_tell_nothing(self) -> None:
        several = self.sweeps(random.Random(2), 0.1, FEWEST_SWEEPS)
        assert between_sweeps(several) is not None
        assert between_sweeps(several[1:]) is None
        assert between_sweeps([*several[1:], [100.0]]) is None

    def test_with_it_intervals_hold_what_other_sweeps_find(self) -> None:
        source = random.Random(3)
        held = alone = 0
        for _ in range(1000):
            *before, own = self.sweeps(source, 0.03, 13)
            drift = between_sweeps(before)
            assert drift is not None
            error = over_sessions(own)
            for_itself, with_drift = error.interval(), error.further(drift.sd, drift.dof).interval()
            alone += for_itself.low <= 100.0 <= for_itself.high
            held += with_drift.low <= 100.0 <= with_drift.high
        assert held / 1000 == pytest.approx(0.95, abs=0.025)
        assert alone / 1000 < 0.75  # what this test is there for

    def test_no_drift_leaves_an_error_nearly_as_it_was(self) -> None:
        error = over_sessions([1.0, 1.1, 1.2])
        assert error.further(0.0, 9).interval() == error.interval()
