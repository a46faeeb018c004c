"""What the emulated node costs the host: a launch takes what the profile says, waiting takes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from node import profile, variables
from programs import numbers


@pytest.mark.parametrize("us", [2.5, 5.0, 20.0, 50.0])
def test_a_launch_takes_the_profiles_time_of_the_host(tmp_path: Path, us: float) -> None:
    (took,) = numbers(variables(tmp_path, profile(launch_host_us=us)), "cost", 0)
    assert took * 1e6 == pytest.approx(us, rel=0.1)


def test_waiting_for_a_busy_device_burns_no_core(tmp_path: Path) -> None:
    took, share = numbers(variables(tmp_path), "wait", 0, 1_000_000)
    assert took == pytest.approx(1, rel=0.1)
    assert share < 0.05


def test_waiting_for_a_place_in_the_launch_queue_burns_no_core(tmp_path: Path) -> None:
    took, share = numbers(variables(tmp_path), "queue", 0, 1_000_000)
    assert took > 0.9
    assert share < 0.05
