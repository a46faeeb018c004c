"""A comparison is decided only beyond the threshold, and by nothing but its interval and the noise floor."""

from __future__ import annotations

import math

import pytest

from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED, threshold, verdict

NAN = math.nan


@pytest.mark.parametrize(
    ("low", "high", "floor", "expected"),
    [
        (1.02, 1.10, 0.0, FASTER),
        (1.005, 1.10, 0.0, UNDECIDED),  # in part within 1 %
        (0.90, 0.98, 0.0, SLOWER),
        (0.90, 0.995, 0.0, UNDECIDED),
        (0.995, 1.005, 0.0, SAME),
        (0.98, 1.005, 0.0, UNDECIDED),
        (1.015, 1.018, 0.02, SAME),  # two builds of the same thing differ by as much
        (1.03, 1.10, 0.02, FASTER),
        (1.015, 1.10, 0.02, UNDECIDED),
        (3.0, 3.1, 0.031, UNDECIDED),
        (1.02, 1.10, NAN, FASTER),
        (NAN, NAN, 0.0, UNDECIDED),
    ],
)
def test_verdicts(low: float, high: float, floor: float, expected: str) -> None:
    assert verdict(low, high, floor) == expected


@pytest.mark.parametrize(("low", "high"), [(1.02, 1.3), (0.997, 1.003), (0.99, 1.2), (1.001, 1.009)])
def test_turned_round_it_is_the_opposite(low: float, high: float) -> None:
    opposite = {FASTER: SLOWER, SLOWER: FASTER}
    found = verdict(low, high, 0.0)
    assert verdict(1 / high, 1 / low, 0.0) == opposite.get(found, found)


def test_the_threshold_is_one_per_cent_or_the_floor() -> None:
    assert threshold(0.0) == threshold(NAN) == 0.01
    assert threshold(0.025) == 0.025
    assert threshold(0.0301) == math.inf
