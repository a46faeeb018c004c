"""The analysis of nested repeats, on values of which the components are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.components import balanced, components, coverage_of_level, relative_percent


def drawn(deviations: list[float], counts: list[int], seed: int = 0) -> np.ndarray:
    """Values of a nested design whose levels add normal effects of those standard deviations."""
    source, values = np.random.default_rng(seed), np.zeros(())
    for place, (deviation, _) in enumerate(zip(deviations, counts, strict=True)):
        effect = source.normal(0, deviation, size=counts[: place + 1])
        values = values[..., None] + effect
    return values


def test_components_are_found_again() -> None:
    deviations = [0.02, 0.005, 0.01]
    found = components(drawn(deviations, [400, 10, 10]))
    assert np.sqrt(found) == pytest.approx(deviations, rel=0.1)


def test_what_is_exact_is_computed_exactly() -> None:
    """Two sessions of two rounds: by hand."""
    session, round_ = components(np.array([[1.0, 3.0], [6.0, 8.0]]))
    assert round_ == 2  # of 1 and 3, of 6 and 8
    assert session == 12.5 - 2 / 2  # of the means 2 and 7, less what rounds add to a mean of two


def test_a_level_that_adds_nothing_is_not_negative() -> None:
    assert components(np.array([[0.0, 4.0], [4.0, 0.0]]))[0] == 0


def test_a_level_that_was_not_repeated_is_refused() -> None:
    with pytest.raises(ValueError, match="one repeat"):
        components(np.zeros((3, 1)))


def test_lists_are_cut_to_what_all_have() -> None:
    assert balanced([[[1.0, 2.0, 3.0], [4.0, 5.0]], [[6.0, 7.0], [8.0, 9.0], [0.0, 0.0]]]) == [
        [[1.0, 2.0], [4.0, 5.0]],
        [[6.0, 7.0], [8.0, 9.0]],
    ]


def test_an_interval_of_the_outermost_level_covers_as_promised() -> None:
    assert coverage_of_level([1.0, 2.0, 3.0], [5, 4, 3], level=0, within=0) == pytest.approx(0.95)


def test_an_interval_of_rounds_covers_as_promised_where_sessions_do_not_differ() -> None:
    assert coverage_of_level([0.0, 1.0], [5, 20], level=1, within=1) == pytest.approx(0.95)


@pytest.mark.parametrize("deviations", [[0.01, 0.0, 0.01], [0.02, 0.01, 0.01], [0.0, 0.01, 0.02]])
def test_coverage_is_that_of_intervals_which_are_really_made(deviations: list[float]) -> None:
    """All rounds of a session taken as independent, in many sessions: how often their interval holds 0."""
    counts = [4000, 3, 8]
    rounds = drawn(deviations, counts, seed=1).reshape(counts[0], -1)
    units = rounds.shape[1]
    half = stats.t.ppf(0.975, units - 1) * rounds.std(axis=1, ddof=1) / np.sqrt(units)
    really = float((abs(rounds.mean(axis=1)) <= half).mean())
    told = coverage_of_level([d**2 for d in deviations], counts, level=2, within=1)
    assert told == pytest.approx(really, abs=0.03)


def test_small_deviations_of_logarithms_are_relative_ones() -> None:
    assert relative_percent(0.01**2) == pytest.approx(1.0, rel=0.001)
