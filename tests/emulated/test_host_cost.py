"""What the emulated node costs the host: a launch takes what the profile says, waiting takes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from node import profile, variables
from programs import numbers


@pytest.mark.parametrize("us", [2.5, 5.0, 20.0, 50.0])
def test_a_launch_takes_the_profiles_time_of_the_host(tmp_path: Path, us: float) -> None:
    (multiple,) = numbers(variables(tmp_path, profile(launch_host_us=us)), "cost", 0, us)
    assert multiple == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("way", ["wait", "queue"])
def test_waiting_for_a_busy_device_or_a_place_in_its_queue_burns_no_core(tmp_path: Path, way: str) -> None:
    multiple, share = numbers(variables(tmp_path), way, 0, 1_000_000)
    assert multiple >= 1  # it waited until the device was free
    assert share < 0.05
