"""Timed blocks do exactly what they say."""

from __future__ import annotations

import time

import pytest
from fake_time import FakeClock

from harness.timing.blocks import Block, time_block, time_blocks


def nothing() -> None:
    pass


@pytest.mark.parametrize("steps", [1, 2, 1000])
def test_a_block_makes_its_steps_and_no_more(steps: int) -> None:
    clock, calls = FakeClock(), list[int]()
    block = time_block(clock.taking(3, done=lambda: calls.append(1)), steps, nothing, clock=clock)
    assert len(calls) == block.steps == steps
    assert block.wall_ns == 3 * steps


def test_the_device_is_waited_for_before_the_first_step_and_after_the_last() -> None:
    happened: list[str] = []
    time_block(lambda: happened.append("step"), 3, lambda: happened.append("wait"))
    assert happened == ["wait", "step", "step", "step", "wait"]


def test_the_wait_for_the_device_is_part_of_the_block_and_the_one_before_is_not() -> None:
    clock = FakeClock()
    before = clock.now_ns
    block = time_block(clock.taking(5), 1, clock.taking(2_000, 70), clock=clock)
    assert (block.start_ns, block.end_ns) == (before + 2_000, before + 2_075)


def test_what_makes_steps_by_itself_is_asked_once_for_all_of_them() -> None:
    asked: list[int] = []

    def never() -> None:
        raise AssertionError("a step from Python")

    assert time_block(never, 7, nothing, repeat=asked.append).steps == 7
    assert asked == [7]


def test_the_result_of_a_step_is_dropped_before_the_next() -> None:
    """Else a step would need twice the memory, and reuse none of it."""
    alive = most = 0

    class Result:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    time_block(Result, 5, nothing)
    assert most == 1


def test_a_block_that_computes_has_used_the_processor_and_one_that_sleeps_has_not() -> None:
    own_ns = 30_000_000

    def work() -> None:
        end = time.thread_time_ns() + own_ns
        while time.thread_time_ns() < end:
            pass

    busy = time_block(work, 1, nothing)
    idle = time_block(lambda: time.sleep(0.05), 1, nothing)
    assert busy.main_ns is not None and busy.cpu_ns is not None and idle.main_ns is not None
    assert busy.main_ns >= own_ns, "at least what it has counted itself"
    assert busy.cpu_ns >= 0.8 * busy.main_ns
    assert idle.main_ns < 0.5 * idle.wall_ns
    assert idle.waits is not None and idle.waits >= 1
    assert idle.preemptions is not None and idle.preemptions >= 0


def test_without_usage_there_is_none() -> None:
    block = time_block(nothing, 1, nothing, usage=False)
    assert (block.cpu_ns, block.main_ns, block.waits, block.preemptions) == (None,) * 4
    assert block.wall_ns >= 0


class TestBlocksOfSeveralThreads:
    first = Block(4, 1_000, 1_100, cpu_ns=90, main_ns=80, waits=0, preemptions=0)
    second = Block(4, 1_050, 1_450, cpu_ns=300, main_ns=100, waits=2, preemptions=1)

    def test_they_last_from_the_first_start_to_the_last_end(self) -> None:
        joined = time_blocks(lambda: [self.first, self.second])
        assert (joined.steps, joined.start_ns, joined.end_ns) == (4, 1_000, 1_450)

    def test_the_fastest_of_them_is_known(self) -> None:
        assert time_blocks(lambda: [self.second, self.first]).fastest_ns == 100

    def test_the_thread_that_ran_the_least_of_its_own_time_counts(self) -> None:
        """80 of 100 ns and 100 of 400 ns: the second, as a share of the whole."""
        assert time_blocks(lambda: [self.first, self.second]).main_ns == round(450 * 100 / 400)

    def test_without_usage_only_times_are_known(self) -> None:
        joined = time_blocks(lambda: [self.first, self.second], usage=False)
        assert (joined.cpu_ns, joined.main_ns, joined.waits) == (None, None, None)
        assert joined.fastest_ns == 100
