"""Bursts are issued to a device that is held, and say what one step costs the host and the device."""

from __future__ import annotations

import pytest
from fake_time import FakeClock, FakeGate

from harness.timing.bursts import time_burst


def nothing() -> None:
    pass


def test_a_burst_is_issued_to_a_device_that_is_held_and_waited_for_afterwards() -> None:
    happened: list[str] = []
    time_burst(lambda: happened.append("step"), 2, FakeGate(happened), lambda: happened.append("wait"))
    timed = ["begin", "step", "step", "end"]
    assert happened == ["wait", "close", "step", *timed, "wait", "elapsed"]


def test_waiting_for_the_device_is_no_part_of_the_issue_time() -> None:
    clock = FakeClock()
    burst = time_burst(clock.taking(50), 4, FakeGate(), clock.taking(1_000_000), clock=clock)
    assert burst.issue_ns == 50


def test_issue_and_device_time_are_those_of_one_step() -> None:
    clock = FakeClock()
    burst = time_burst(clock.taking(500), 10, FakeGate(elapsed_ns=70.0), nothing, clock=clock)
    assert (burst.issue_ns, burst.device_ns) == (500, 7.0)


def test_the_step_on_cold_caches_goes_before_the_burst() -> None:
    clock = FakeClock()
    burst = time_burst(clock.taking(9_000, 500), 10, FakeGate(), nothing, clock=clock)
    assert burst.issue_ns == 500


def test_a_single_step_may_fill_the_queue_and_has_none_before_it() -> None:
    happened: list[str] = []
    burst = time_burst(lambda: happened.append("step"), 1, FakeGate(happened), nothing)
    assert happened.count("step") == 1
    assert burst.growth is None


def test_a_burst_whose_second_half_waits_for_room_says_so() -> None:
    clock = FakeClock()
    step = clock.taking(0, *[20] * 3, *[200] * 3)  # the first goes before the burst
    assert time_burst(step, 6, FakeGate(), nothing, clock=clock).growth == 10


@pytest.mark.parametrize("steps", [2, 3, 4, 7])
def test_halves_of_an_odd_number_of_steps_are_compared_by_the_step(steps: int) -> None:
    clock = FakeClock()
    growth = time_burst(clock.taking(40), steps, FakeGate(), nothing, clock=clock).growth
    assert growth == pytest.approx(1)


def test_a_clock_that_has_not_moved_in_the_first_half_is_no_error() -> None:
    clock = FakeClock()
    assert time_burst(nothing, 4, FakeGate(), nothing, clock=clock).growth == 0


def test_what_makes_steps_by_itself_is_asked_for_one_ahead_and_then_for_both_halves() -> None:
    asked: list[int] = []

    def never() -> None:
        raise AssertionError("a step from Python")

    time_burst(never, 5, FakeGate(), nothing, repeat=asked.append)
    assert asked == [1, 3, 2]


def test_a_device_that_was_let_go_too_early_has_no_time() -> None:
    assert time_burst(nothing, 10, FakeGate(held=False), nothing).device_ns is None
