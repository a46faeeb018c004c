"""What is predicted follows from what was measured and from the machine's costs, and from nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from measurements import COSTS, WORK, about, facts

from harness.diagnosis.what_if import HOST_FASTER, SHORTER_GAP_US, Facts, Prediction, predictions


def predicted(given: Facts, **costs: float) -> dict[str, Prediction]:
    made, _ = predictions(given, {**COSTS, **costs}, {})
    return {each.change: each for each in made}


def launching(**given: object) -> Facts:
    return facts(
        whole=about(100.0),
        issue=100.0,
        device=30.0,
        python=50.0,
        kernels=30.0,
        launches=10,
        synchronous=False,
        **given,
    )


def test_each_prediction_has_an_interval_around_it() -> None:
    for given in (facts(), launching()):
        for each in predicted(given).values():
            assert 0 < each.us.low < each.us.estimate < each.us.high


def test_modes_that_leave_the_interpreter_are_faster_by_what_it_took() -> None:
    little, much = facts(python=1.0), facts(python=70.0)
    for mode in ("script", "native"):
        assert predicted(much)[mode].us.estimate < predicted(little)[mode].us.estimate
    assert predicted(much)["native"].us.estimate < predicted(much)["script"].us.estimate


def test_no_mode_is_faster_than_the_work_itself() -> None:
    given = facts(
        whole=about(1000.0), issue=1000.0, kernels=900.0, asked=replace(WORK, heavy_us=880.0), python=70.0
    )
    assert predicted(given)["script"].us.estimate >= 0.8 * 900.0
    assert predicted(given)["compile"].us.estimate >= 880.0


def test_a_device_that_decides_is_not_made_faster_by_any_host() -> None:
    given = launching(**{})
    slow = Facts(**{**vars(given), "whole": about(500.0), "device": 500.0, "launches": 0})
    for change in ("script", "native", "cudagraph", "host x 1.3"):
        assert predicted(slow)[change].us.estimate == pytest.approx(500.0)


def test_a_graph_takes_what_the_device_takes() -> None:
    assert predicted(launching())["cudagraph"].us.estimate == pytest.approx(30.0 - 10 * SHORTER_GAP_US)
    assert predicted(launching(), graph_launch=80.0)["cudagraph"].us.estimate == pytest.approx(80.0)


def test_a_faster_host_is_faster_by_its_own_part() -> None:
    assert predicted(facts())["host x 1.3"].us.estimate == pytest.approx(105.0 / HOST_FASTER)
    # What the host sleeps is not the shorter for it.
    assert predicted(facts(outside=50.0))["host x 1.3"].us.estimate == pytest.approx(
        50.0 + 55.0 / HOST_FASTER
    )


def test_one_process_a_device_is_held_against_one_thread_for_all() -> None:
    each = predicted(launching())["processes"]
    assert each.us.estimate == pytest.approx(100.0)
    assert each.instead_of_us == pytest.approx(800.0)
    assert "processes" not in predicted(facts())


def test_twice_the_batch_costs_between_nothing_and_all_of_the_kernels_again() -> None:
    each = predicted(facts(kernels=50.0, least_us=18.0))["batch x 2"]
    assert each.us.estimate == pytest.approx(105.0 + math.sqrt(900.0))
    assert each.instead_of_us == pytest.approx(210.0)
    assert 105.0 < predicted(facts(least_us=0.0))["batch x 2"].us.estimate < 115.0
    assert predicted(facts(least_us=1e6))["batch x 2"].us.estimate == pytest.approx(115.0)


def test_what_the_passport_lacks_is_refused_with_its_reason() -> None:
    made, refused = predictions(
        facts(),
        {"operator": 1.5, "script_operator": 0.8, "script_call": 5.0},
        {"native_call": "no C++ compiler"},
    )
    assert {each.change for each in made} == {"script", "host x 1.3", "batch x 2"}
    assert {each.change: each.why for each in refused}["native"] == "no C++ compiler"


def test_of_training_no_mode_is_predicted() -> None:
    made, refused = predictions(facts(train=True), COSTS, {})
    assert {each.change for each in made} == {"host x 1.3", "batch x 2"}
    assert {each.change for each in refused} == {"script", "native", "compile"}


def test_runs_of_elementwise_operators_are_one_kernel_where_torchscript_fuses_them() -> None:
    plain = launching()
    fused = Facts(**{**vars(plain), "asked": replace(WORK, fused=5)})
    assert predicted(fused)["script"].us.estimate < 0.6 * predicted(plain)["script"].us.estimate
    assert (
        predicted(fused)["script"].us.relative_half_width > predicted(plain)["script"].us.relative_half_width
    )
    # On a CPU it does not.
    assert predicted(facts(asked=replace(WORK, fused=5)))["script"] == predicted(facts())["script"]


def test_what_a_compiler_takes_apart_is_not_predicted() -> None:
    made, refused = predictions(facts(asked=replace(WORK, cells=3)), COSTS, {})
    assert "compile" not in {each.change for each in made}
    assert "recurrent" in {each.change: each.why for each in refused}["compile"]
