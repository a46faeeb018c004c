"""What fits a launch queue."""

from __future__ import annotations

import pytest

from harness.core.launches import AT_MOST, USUAL
from harness.devices.launch_queue import (
    BURST_LAUNCHES,
    launches_of_step,
    steps_that_fit,
)
from harness.kernels.shape import Shape
from harness.kernels.step import launches


@pytest.mark.parametrize("of_step", [1, 3, 100, 255, 256, 257, 768, 769, 5000])
def test_a_burst_fits_the_launch_queue_and_is_as_long_as_that_allows(of_step: int) -> None:
    steps = steps_that_fit(of_step)
    if of_step <= BURST_LAUNCHES:
        assert steps is not None
        assert steps * of_step <= BURST_LAUNCHES < (steps + 1) * of_step
    elif of_step <= 3 * BURST_LAUNCHES:
        assert steps == 1
    else:
        assert steps is None, "it would measure the queue and not the host"


@pytest.mark.parametrize("workload", ["forward", "train"])
def test_estimates_are_those_of_the_kernels_that_the_cost_model_counts(workload: str) -> None:
    """Of a deep model, in which what a step launches beside its layers is nothing."""
    counted = launches(Shape((64,) * 1001, batch=1, workload=workload), "eager") / 1000
    assert counted == pytest.approx(USUAL[workload], rel=0.05)
    assert counted <= AT_MOST[workload]
    assert launches_of_step(1000, workload) == 1000 * AT_MOST[workload]


@pytest.mark.parametrize("workload", ["forward", "train"])
def test_the_deepest_model_of_the_shipped_sweeps_has_an_issue_time(workload: str) -> None:
    assert steps_that_fit(launches_of_step(64, workload))
