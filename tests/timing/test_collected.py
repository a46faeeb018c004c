"""No garbage is collected while something is timed, and it is again after."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from fake_time import FakeGate

from harness.timing.blocks import time_block
from harness.timing.bursts import time_burst


def a_block(step: Callable[[], object]) -> None:
    time_block(step, 2, lambda: None)


def a_burst(step: Callable[[], object]) -> None:
    time_burst(step, 2, FakeGate(), lambda: None)


Timed = Callable[[Callable[[], object]], None]
both = pytest.mark.parametrize("timed", [a_block, a_burst])


@both
def test_no_garbage_is_collected_within_and_it_is_again_after(timed: Timed) -> None:
    seen: list[bool] = []
    assert gc.isenabled()
    timed(lambda: seen.append(gc.isenabled()))
    assert set(seen) == {False}
    assert gc.isenabled()


@both
def test_a_step_that_raises_leaves_the_collector_on(timed: Timed) -> None:
    def fail() -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        timed(fail)
    assert gc.isenabled()


@both
def test_a_collector_that_was_off_stays_off(timed: Timed) -> None:
    gc.disable()
    try:
        timed(lambda: None)
        assert not gc.isenabled()
    finally:
        gc.enable()
