"""Warnings are told beside the answer by what they do to it."""

from __future__ import annotations

from synthetic import make_points

from harness.core.warnings import LOADED, NOISY
from harness.report.page import URGENT
from harness.report.shown.standing import standing
from harness.report.table.tidy import tidy

ROW = {"depth": 64, "batch": 1}


def told(warnings: dict[tuple[int, int], str]) -> str:
    points = make_points(change=lambda row: {"warnings": warnings.get((row["depth"], row["batch"]), "")})
    return standing(tidy(points), ROW, URGENT)


def test_a_warning_of_other_points_does_not_put_the_answer_in_doubt() -> None:
    text = told({(2, 64): LOADED.name})
    assert text == "3 of 27 points carry a warning (loaded), none of them of this number."
    assert told({}) == ""


def test_a_wide_interval_of_the_answers_own_points_is_said_to_hold() -> None:
    assert "is shown all the same" in told({(64, 1): NOISY.name})


def test_what_spoils_the_answers_own_points_comes_first() -> None:
    text = told({(64, 1): f"{NOISY.name};{LOADED.name}"})
    assert text.startswith("Before you rely on it: quieten the machine") and "loaded" in text
