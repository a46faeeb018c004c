"""Intervals of a median: the ranks are those of the binomial distribution, and they cover what they claim."""

from __future__ import annotations

import random
from statistics import median

import pytest
from scipy.stats import binom

from harness.core.stats import (
    FEWEST_FOR_INTERVAL,
    Interval,
    median_interval,
    order_statistic_rank,
    relative_spread,
)

COUNTS = [*range(FEWEST_FOR_INTERVAL, 130), 200, 399, 400, 1000, 1023, 1024, 1025, 1500]


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
    assert interval.median == median(values)
    assert interval.low <= interval.median <= interval.high


def test_the_values_are_left_in_their_order() -> None:
    values = [3.0, 1.0, 2.0]
    median_interval(values)
    relative_spread(values)
    assert values == [3.0, 1.0, 2.0]


def test_the_relative_half_width_is_half_the_interval_over_the_median() -> None:
    assert Interval(10.0, 9.0, 12.0).relative_half_width == pytest.approx(0.15)
    assert Interval(-10.0, -12.0, -9.0).relative_half_width == pytest.approx(0.15)


def test_a_median_of_zero_is_never_narrow() -> None:
    assert Interval(0.0, 0.0, 0.0).relative_half_width == float("inf")
    assert relative_spread([0.0, 0.0, 0.0]) == float("inf")


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError):
        median_interval([])
    with pytest.raises(ValueError):
        relative_spread([])


def test_the_spread_of_single_values_does_not_fall_with_their_number() -> None:
    source = random.Random(5)
    few, many = ([source.gauss(100.0, 5.0) for _ in range(n)] for n in (100, 1600))
    assert relative_spread(many) == pytest.approx(relative_spread(few), rel=0.4)
    assert relative_spread(many) == pytest.approx(1.349 * 0.05, rel=0.15)
    # The interval does fall, with the root of the number: a quarter here.
    widths = [median_interval(v).relative_half_width for v in (few, many)]
    assert widths[1] < 0.5 * widths[0]


def test_one_outlier_moves_neither_spread_nor_interval() -> None:
    values = [100.0 + v / 10 for v in range(40)]
    spoilt = [*values[:-1], 1e9]
    assert relative_spread(spoilt) == relative_spread(values)
    assert median_interval(spoilt) == median_interval(values)
