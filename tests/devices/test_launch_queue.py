"""What fits a launch queue."""

from __future__ import annotations

import pytest

from harness.devices.launch_queue import (
    BURST_LAUNCHES,
    FORWARD_LAUNCHES,
    TRAIN_LAUNCHES,
    launches_of_step,
    steps_that_fit,
)


@pytest.mark.parametrize("launches", [1, 3, 100, 255, 256, 257, 768, 769, 5000])
def test_a_burst_fits_the_launch_queue_and_is_as_long_as_that_allows(launches: int) -> None:
    steps = steps_that_fit(launches)
    if launches <= BURST_LAUNCHES:
        assert steps is not None
        assert steps * launches <= BURST_LAUNCHES < (steps + 1) * launches
    elif launches <= 3 * BURST_LAUNCHES:
        assert steps == 1
    else:
        assert steps is None, "it would measure the queue and not the host"


def test_a_step_launches_as_much_for_every_layer_and_more_where_it_trains() -> None:
    assert launches_of_step(5, "forward") == 5 * FORWARD_LAUNCHES
    assert launches_of_step(5, "train") == 5 * TRAIN_LAUNCHES


@pytest.mark.parametrize("workload", ["forward", "train"])
def test_the_deepest_model_of_the_shipped_sweeps_has_an_issue_time(workload: str) -> None:
    assert steps_that_fit(launches_of_step(64, workload))
