"""Numbers are rounded to what a reader needs, and never past what they claim."""

from __future__ import annotations

import math

import pytest

from harness.report.table import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00123456, "0.00123"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (12345.6, "12346"),
        (0, "0"),
        (-1.5, "-1.50"),
    ],
)
def test_three_digits_without_exponent(value: float, text: str) -> None:
    assert formats.significant(value) == text


def test_nothing_stands_for_what_is_not_a_number() -> None:
    assert formats.significant(math.nan) == ""
    assert formats.significant(math.inf) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (4096, "4096"), (0.05, "0.05"), (1e-5, "0.00001"), (2e6, "2000000")]
)
def test_ticks_are_plain_numbers(value: float, text: str) -> None:
    assert formats.plain(value) == text


def test_rounding_does_not_turn_a_bound_above_one_into_one() -> None:
    assert formats.times(1.02, 1.0004, 1.04) == "1.0200x [1.0004, 1.0400]"


def test_one_line_drops_escape_sequences_and_line_breaks() -> None:
    assert formats.one_line("a\x1b[31mb\nc\u202ed") == "a [31mb c d"


@pytest.mark.parametrize(
    "unit", ["%", "s", "us", "ms", "ns", "MiB", "GiB/s", "GB", "MHz", "W", "mJ", "TFLOP/s"]
)
def test_a_number_and_its_unit_are_held_together(unit: str) -> None:
    assert (
        formats.held(f"within 0 {unit} (90th), 12 {unit}") == f"within 0\u00a0{unit} (90th), 12\u00a0{unit}"
    )


@pytest.mark.parametrize(
    "text", ["4 devices", "batch 16 on 1 device", "4 samples", "5  %", "a %", "3 %s", "2 Webs"]
)
def test_other_words_after_a_number_are_not_held(text: str) -> None:
    assert formats.held(text) == text


def test_a_line_ends_before_a_number_and_not_before_its_unit() -> None:
    assert formats.wrapped("model error within 15 % of it", 22) == ["model error within", "15 % of it"]
