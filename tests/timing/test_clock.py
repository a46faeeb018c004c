"""What reading the clock costs."""

from __future__ import annotations

from harness.timing.clock import clock_cost_ns


def test_the_cost_of_the_clock_is_that_of_one_pair_of_readings() -> None:
    now = 0

    def clock() -> int:
        """Takes 30 ns, and once in a while is disturbed for a long time."""
        nonlocal now
        now += 1_000_000 if now % 7 == 0 else 30
        return now

    assert clock_cost_ns(clock) == 30


def test_the_clock_of_blocks_costs_something() -> None:
    assert clock_cost_ns() >= 0
