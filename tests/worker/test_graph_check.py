"""The replay of a step: what is counted, what is compared, and what becomes of a step that cannot be captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.devices.device import Device
from harness.timing.bursts import LEAST_HOLD_NS, MOST_HOLD_NS, Burst, longer_hold
from harness.worker.cells.graph_check import NOT_REPLAYED, replayed
from harness.worker.issuers import InTurn
from harness.workloads.workload import Step


class Captured:
    launches = 40

    def __init__(self, call: Callable[[], Any]) -> None:
        self.replay = call


class Fake(Device):
    """A device whose works take 100 ns when launched and 90 ns when replayed."""

    asynchronous = True

    def __init__(self, *, capturable: bool = True, held_from_ns: float = 0.0) -> None:
        super().__init__()
        self.capturable, self.held_from_ns, self.steps = capturable, held_from_ns, 0
        self.holds: list[float] = []

    def captured(self, call: Callable[[], Any]) -> Any:
        if not self.capturable:
            raise RuntimeError("operation not permitted when stream is capturing")
        return Captured(self.replay)

    def burst_steps(self, launches: int) -> int | None:
        return 6

    def launch(self) -> None:
        self.steps += 100

    def replay(self) -> None:
        self.steps += 90

    def gate(self, hold_ns: float) -> Any:
        self.holds.append(hold_ns)
        device = self

        class Gate:
            def close(self) -> None: ...

            def begin(self) -> None:
                device.steps = 0

            def end(self) -> bool:
                return hold_ns >= device.held_from_ns

            def elapsed_ns(self) -> float:
                return float(device.steps)

        return Gate()


def looked_into(device: Fake) -> Any:
    return replayed(InTurn([device]), Step(device.launch, list), most=100)


def test_launches_are_counted_and_both_device_times_are_of_one_step() -> None:
    found = looked_into(Fake())
    assert (found.launches, found.held_ns, found.replay_ns) == (40, 100.0, 90.0)


def test_what_cannot_be_captured_has_no_replay() -> None:
    assert looked_into(Fake(capturable=False)) == NOT_REPLAYED


def test_a_device_that_was_let_go_too_early_is_held_longer() -> None:
    device = Fake(held_from_ns=LEAST_HOLD_NS + 1)
    device.launch = lambda: None  # type: ignore[method-assign]
    burst = Burst(issue_ns=1e6, device_ns=None)
    assert longer_hold(LEAST_HOLD_NS, 6, burst) == pytest.approx(14e6)
    assert longer_hold(LEAST_HOLD_NS, 10_000, burst) == MOST_HOLD_NS


def test_where_the_device_is_never_held_long_enough_only_launches_are_known() -> None:
    found = looked_into(Fake(held_from_ns=float("inf")))
    assert (found.launches, found.held_ns, found.replay_ns) == (40, None, None)


def test_what_is_captured_is_what_a_block_repeats() -> None:
    captured: list[Any] = []

    class Noted(Fake):
        def captured(self, call: Callable[[], Any]) -> Any:
            captured.append(call)
            return super().captured(call)

    class Driven:
        made = 0

        def repeat(self, steps: int) -> None:
            Driven.made += steps

    def never() -> None:
        raise AssertionError("the call that also fetches the output")

    device = Noted()
    replayed(InTurn([device]), Step(never, list, Driven()), most=100)
    before = Driven.made
    captured[0]()
    assert Driven.made == before + 1


def test_no_burst_is_longer_than_a_block_would_be() -> None:
    made: list[int] = []

    class Counted(Fake):
        def gate(self, hold_ns: float) -> Any:
            made.append(self.steps // 100)
            return super().gate(hold_ns)

    device = Counted()
    replayed(InTurn([device]), Step(device.launch, list), most=2)
    assert max(made) <= 2


def test_a_step_that_its_capture_has_spoiled_is_told_and_not_timed() -> None:
    device, captured = Fake(), list[bool]()

    def step() -> None:
        if captured:
            raise RuntimeError("operation not permitted on an event last recorded in a capturing stream")
        device.launch()

    def capture(call: Callable[[], Any]) -> Any:
        captured.append(True)
        return Captured(device.replay)

    device.captured = capture  # type: ignore[method-assign]
    found = replayed(InTurn([device]), Step(step, list), 4)
    assert (found.launches, found.held_ns, found.spoiled) == (40, None, True)
