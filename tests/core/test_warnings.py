"""The text of the column `warnings`: written and read in one place."""

from __future__ import annotations

import pytest

from harness.core import warnings
from harness.core.warnings import CAPPED, EMULATED, NOISY, WARNINGS, added, carries, joined, names


def test_what_is_written_is_read_again_in_its_order() -> None:
    text = joined([NOISY, EMULATED])
    assert text == "noisy;emulated"
    assert names(text) == ("noisy", "emulated")
    assert names(added(text, CAPPED)) == ("noisy", "emulated", "capped")
    assert added("", CAPPED) == "capped"
    assert joined([]) == ""


@pytest.mark.parametrize("text", ["", ";", " ; ", None, float("nan"), 3])
def test_no_text_has_no_warning(text: object) -> None:
    assert names(text) == ()
    assert not carries(text, *WARNINGS.values())


def test_spaces_and_what_another_version_has_written_are_no_obstacle() -> None:
    assert names(" noisy ; of_old;noisy") == ("noisy", "of_old")
    assert carries(" noisy ; of_old", NOISY, CAPPED)


def test_a_name_within_another_name_is_another_warning() -> None:
    assert not carries("not_noisy", NOISY)


def test_every_warning_says_what_to_do_and_is_in_the_list() -> None:
    ours = [each for each in vars(warnings).values() if isinstance(each, warnings.PointWarning)]
    assert sorted(each.name for each in ours) == sorted(WARNINGS)
    for each in ours:
        assert ":" in each.advice or "read" in each.advice or "use" in each.advice
