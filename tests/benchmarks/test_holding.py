"""How often intervals hold, on runs whose values and intervals are made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.holding import Holding, held_by_others, holding_one, share_interval, summary


def table(between: float, half_width: float, runs: int = 30, points: int = 20) -> pd.DataFrame:
    """Runs whose values differ by that relative standard deviation, with intervals of that relative half width."""
    values = 100 * np.exp(np.random.default_rng(0).normal(0, between, size=(runs, points)))
    rows = [
        {"run": run, "key": str(point), "value": each, "low": each * (1 - half_width), "high": each * (1 + half_width)}
        for run, of_run in enumerate(values)
        for point, each in enumerate(of_run)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_intervals_of_the_true_width_hold_95_of_100() -> None:
    runs = table(between=0.01, half_width=0.0196)
    found = summary(runs, held_by_others(runs))
    assert found.cases == 600
    assert found.share == pytest.approx(0.95, abs=0.03)
    assert found.low < found.share < found.high
    assert found.spread == pytest.approx(0.01, rel=0.2)
    assert found.half_width == pytest.approx(0.0196)
    assert found.meets(width_limit=0.02)


def test_intervals_that_are_too_narrow_are_found_out() -> None:
    runs = table(between=0.01, half_width=0.005)
    found = summary(runs, held_by_others(runs))
    assert found.share < 0.5
    assert not found.meets(width_limit=0.02)


def test_a_run_is_held_against_the_median_of_the_others_and_not_of_itself() -> None:
    runs = pd.DataFrame(
        {
            "run": [0, 1, 2],
            "key": "a",
            "value": [1.0, 2.0, 4.0],
            "low": [2.5, 2.4, 1.4],
            "high": [3.5, 2.6, 1.6],
        }
    )
    cases = held_by_others(runs).set_index("run")
    assert cases["others"].to_dict() == {0: 3.0, 1: 2.5, 2: 1.5}
    assert cases["held"].all()


def test_what_is_in_one_run_alone_is_no_case_and_neither_is_what_has_no_interval() -> None:
    runs = pd.DataFrame(
        {
            "run": [0, 0, 1, 1],
            "key": ["a", "b", "a", "c"],
            "value": 1.0,
            "low": [0.9, 0.9, np.nan, 0.9],
            "high": 1.1,
        }
    )
    cases = held_by_others(runs)
    assert cases[["run", "key"]].to_numpy().tolist() == [[0, "a"]]
    assert summary(runs, cases).empty == 1


def test_a_thing_beside_itself_is_held_against_1() -> None:
    runs = pd.DataFrame({"run": [0, 1], "key": "a", "value": 1.02, "low": [0.99, 1.01], "high": 1.03})
    assert holding_one(runs)["held"].tolist() == [True, False]


def test_cases_of_one_run_go_together() -> None:
    """Ten runs that hold all or nothing say less than as many cases that each stand alone."""
    whole = pd.DataFrame({"run": np.repeat(range(10), 40), "held": np.repeat([True] * 8 + [False] * 2, 40)})
    mixed = whole.assign(run=np.tile(range(10), 40))
    low, high = share_interval(whole, 2000, 0)
    assert low < 0.6
    assert high - low > 5 * np.ptp(share_interval(mixed, 2000, 0))


@pytest.mark.parametrize(
    ("share", "half_width", "meets"),
    [(0.899, 0.01, False), (0.9, 0.01, True), (0.99, 0.05, True), (1.0, 0.01, True), (1.0, 0.021, False)],
)
def test_holding_always_is_a_fault_of_wide_intervals_only(
    share: float, half_width: float, meets: bool
) -> None:
    assert Holding(100, 0, share, 0.0, 1.0, 0.01, half_width).meets(width_limit=0.02) is meets


def test_no_cases_meet_nothing() -> None:
    nan = float("nan")
    assert not Holding(0, 8, nan, nan, nan, nan, nan).meets(width_limit=0.02)
