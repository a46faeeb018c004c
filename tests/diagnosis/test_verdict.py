"""What is concluded from a measurement: which cause is named, where, and what is advised."""

from __future__ import annotations

import pytest
from measurements import CPU_PARTS, about, beside_device, ladder, measured, seen, spot, wait

from harness.diagnosis.measurement import Measurement
from harness.diagnosis.shares import (
    DATA,
    DEVICE,
    DISPATCH,
    INTERPRETER,
    LAUNCHES,
    OWN,
    SYNCHRONISATION,
    shares_of,
)
from harness.diagnosis.verdict import UNTOLD, Verdict, verdict_of
from harness.diagnosis.what_if import Prediction


def verdict(given: Measurement, *predicted: Prediction) -> Verdict:
    return verdict_of(given, shares_of(given), predicted)


def with_parts(**parts: float) -> Measurement:
    of = {**CPU_PARTS, **parts}
    return measured(whole=about(sum(of.values())), ladder=ladder(of))


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (measured(), INTERPRETER),
        (with_parts(dispatcher=400.0), DISPATCH),
        (with_parts(kernels=1000.0), DEVICE),
        (measured(look=seen(own=(spot(0.8),))), OWN),
        (measured(look=seen(data=(spot(0.7),))), DATA),
        (beside_device(100.0, 20.0), INTERPRETER),
        (beside_device(20.0, 100.0), DEVICE),
        (
            beside_device(100.0, 50.0, device=None, issue=None, look=seen(waits=(wait(45.0),))),
            SYNCHRONISATION,
        ),
        (beside_device(100.0, 101.0), UNTOLD),
        (measured(ladder=None, notes=("no C++ compiler",)), UNTOLD),
        (measured(whole=about(105.0, 0.6)), UNTOLD),
    ],
)
def test_the_largest_cause_is_named(given: Measurement, cause: str) -> None:
    assert verdict(given).cause == cause


def test_a_device_that_decides_is_named_without_a_ladder_too() -> None:
    """As where the step is one launch of a graph, in which nothing is Python's."""
    assert verdict(beside_device(10.0, 100.0, ladder=None)).cause == DEVICE


def test_what_the_host_waits_for_at_the_end_alone_is_the_devices_time() -> None:
    """One .item() on the loss: the device would have taken as long without it."""
    given = beside_device(10.0, 100.0, device=None, issue=None, look=seen(waits=(wait(90.0, times=1),)))
    assert verdict(given).cause != SYNCHRONISATION
    assert shares_of(given).of[SYNCHRONISATION].estimate == pytest.approx(0.1)


def test_launches_are_named_where_they_are_the_largest_part() -> None:
    given = beside_device(100.0, 20.0)
    parts = {"modules": 10.0, "frames": 10.0, "dispatcher": 20.0, "launches": 60.0}
    given = beside_device(100.0, 20.0, ladder=ladder(parts))
    assert verdict(given).cause == LAUNCHES


def test_beside_a_device_the_sentence_says_the_share_of_the_hosts_own_time() -> None:
    parts = {"modules": 10.0, "frames": 10.0, "dispatcher": 20.0, "launches": 60.0}
    found = verdict(beside_device(100.0, 80.0, ladder=ladder(parts)))
    assert "60 % [59, 61] of the host's time to issue it is launching kernels" in found.sentence


def test_a_wide_interval_is_told_where_all_of_it_lies_above_every_other_cause() -> None:
    """Others were busy for a while: the largest part is unsteady, and the largest all the same."""
    parts = {**CPU_PARTS, "kernels": 2000.0}
    unsteady = measured(whole=about(sum(parts.values())), ladder=ladder(parts, off=0.4))
    assert verdict(unsteady).cause == DEVICE
    parts["kernels"] = 70.0
    assert verdict(measured(ladder=ladder(parts, off=0.8))).cause == UNTOLD


def test_a_second_cause_that_is_about_as_large_is_mentioned() -> None:
    assert "about as large" in verdict(with_parts(dispatcher=62.0)).sentence
    assert "about as large" not in verdict(measured()).sentence


def test_the_line_is_in_the_sentence_and_first_in_the_advice() -> None:
    found = verdict(measured(look=seen(own=(spot(0.6, 12), spot(0.1, 30)))))
    assert "train.py:12" in found.sentence and "host, not the framework" in found.sentence
    assert [text.split()[0] for text in found.where] == ["train.py:12", "train.py:30"]
    assert "train.py:12" in found.advice[0]
    waiting = verdict(beside_device(100.0, 50.0, look=seen(waits=(wait(45.0),))))
    assert "train.py:9 (.item(), 8 times a step)" in waiting.sentence


def test_shares_of_a_step_add_up_to_it() -> None:
    for given in (measured(), measured(look=seen(own=(spot(0.3),))), beside_device(100.0, 20.0)):
        assert sum(share.estimate for share in shares_of(given).of.values()) == pytest.approx(1.0)


def test_only_what_is_predicted_to_help_is_advised_the_cheapest_first() -> None:
    helps = Prediction("native", about(50.0), 105.0, "native")
    cheap = Prediction("script", about(52.0), 105.0, "script")
    unsure = Prediction("compile", about(100.0, 0.3), 105.0, "compile")
    found = verdict(measured(), helps, unsure, cheap)
    assert [text.split()[1] for text in found.advice] == ["script:", "native:"]
    assert "No other mode" in verdict(measured(), unsure).advice[0]
