"""Who issues to several devices of one process, and how their blocks become one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from harness.devices.device import Device
from harness.worker.issuers import InTurn, Issuers, Threaded, open_issuers
from harness.workloads.workload import Step


class Waited(Device):
    """A CPU that notes for what it was waited."""

    def __init__(self, waits: list[int], number: int) -> None:
        super().__init__()
        self.wait = lambda: waits.append(number)


def devices(count: int) -> list[Device]:
    return [Device() for _ in range(count)]


def step_of(call: Any) -> Step:
    return Step(call, list)


KINDS = [InTurn, Threaded]


def test_loop_is_one_thread_and_threads_has_one_for_each_device() -> None:
    assert type(open_issuers("loop", devices(2))) is InTurn
    assert type(open_issuers("processes", devices(1))) is InTurn
    assert type(open_issuers("threads", devices(2))) is Threaded


def test_in_turn_every_device_gets_its_step_before_any_gets_its_next() -> None:
    issued: list[int] = []
    steps = [step_of(lambda index=index: issued.append(index)) for index in range(3)]
    issuers = InTurn(devices(3))
    block = issuers.timer(steps)(2, True)
    assert issued == [0, 1, 2, 0, 1, 2]
    assert block.steps == 2
    assert block.fastest_ns is None


def test_a_block_ends_when_every_device_is_done() -> None:
    waits: list[int] = []
    issuers = InTurn([Waited(waits, number) for number in range(3)])
    issuers.timer([step_of(lambda: None)] * 3)(1, False)
    assert waits == [0, 1, 2, 0, 1, 2]  # before the clock is read first, and before it is read last


def test_each_device_is_always_issued_to_by_the_same_thread_of_its_own() -> None:
    issuers = Threaded(devices(3))
    first = issuers.each(lambda index: threading.get_ident())
    assert len({*first, threading.get_ident()}) == 4
    assert issuers.each(lambda index: threading.get_ident()) == first
    seen: list[set[int]] = [set(), set(), set()]
    steps = [step_of(lambda index=index: seen[index].add(threading.get_ident())) for index in range(3)]
    issuers.timer(steps)(4, True)
    assert seen == [{ident} for ident in first]


def test_threads_run_at_the_same_time() -> None:
    issuers = Threaded(devices(3))
    met = threading.Barrier(3)  # would break if one waited for another's end
    issuers.timer([step_of(lambda: met.wait(timeout=60))] * 3)(2, True)


def test_a_block_of_threads_lasts_from_the_first_start_to_the_last_end() -> None:
    """The second device's steps do not end before the first device is done."""
    waits, done = list[int](), threading.Event()

    class First(Waited):
        def __init__(self) -> None:
            super().__init__(waits, 0)
            note = self.wait

            def wait() -> None:
                note()
                if len(waits) == 2:  # before its block, and after
                    done.set()

            self.wait = wait

    last: list[int] = []

    def slow() -> None:
        assert done.wait(timeout=60)
        last.append(time.monotonic_ns())

    block = Threaded([First(), Device()]).timer([step_of(lambda: None), step_of(slow)])(2, True)
    assert block.fastest_ns is not None and block.fastest_ns < block.wall_ns
    assert block.end_ns >= last[-1]
    assert block.waits is not None and block.waits >= 1


def test_an_exception_of_one_thread_comes_when_all_are_done() -> None:
    issuers = Threaded(devices(2))
    failed, done = threading.Event(), list[int]()

    def slow() -> None:
        assert failed.wait(timeout=60)
        done.append(1)

    def fails() -> None:
        failed.set()
        raise RuntimeError("this one fails")

    block = issuers.timer([step_of(fails), step_of(slow)])
    with pytest.raises(RuntimeError, match="this one fails"):
        block(1, True)
    assert done == [1]
    issuers.timer([step_of(lambda: None)] * 2)(1, True)  # and the threads live on


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_holds_in_every_issuing_thread_and_no_longer(kind: type[Issuers]) -> None:
    issuers = kind(devices(2))
    with issuers.within(torch.inference_mode):
        assert issuers.each(lambda index: torch.is_inference_mode_enabled()) == [True, True]
    assert issuers.each(lambda index: torch.is_inference_mode_enabled()) == [False, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_ends_after_an_error_too(kind: type[Issuers]) -> None:
    issuers, open_contexts = kind(devices(2)), list[int]()

    @contextmanager
    def counted() -> Iterator[None]:
        open_contexts.append(1)
        try:
            yield
        finally:
            open_contexts.pop()

    with pytest.raises(ValueError, match="inside"), issuers.within(counted):
        assert len(open_contexts) == 2
        raise ValueError("inside")
    assert open_contexts == []


@pytest.mark.parametrize("kind", KINDS)
def test_denormal_numbers_are_flushed_in_every_issuing_thread(kind: type[Issuers]) -> None:
    issuers = kind(devices(2))
    if kind is InTurn:
        issuers.devices[0].prepare_thread()  # as the worker does for its own thread
    tiny = torch.tensor([1e-39])
    assert issuers.each(lambda index: (tiny * 0.5).item()) == [0.0, 0.0]


class Driven:
    """What makes steps by itself."""

    def __init__(self, names: list[str], log: list[Any]) -> None:
        self.names, self.log = names, log

    def repeat(self, steps: int) -> None:
        self.log.append((self.names, steps))

    def joined(self, others: list[Driven]) -> Driven:
        return Driven([*self.names, *(name for other in others for name in other.names)], self.log)


def test_what_makes_steps_by_itself_is_joined_in_a_loop_and_not_in_threads() -> None:
    log: list[Any] = []
    steps = [Step(lambda: None, list, Driven([name], log)) for name in ("a", "b")]
    InTurn(devices(2)).timer(steps)(5, True)
    assert log == [(["a", "b"], 5)]
    log.clear()
    Threaded(devices(2)).timer(steps)(5, True)
    assert sorted(log) == [(["a"], 5), (["b"], 5)]
