"""Times between events, made up: what is long enough is the user's own, without what noting and others added."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.diagnosis.host.events import Cost, Event, Events, Kind
from harness.diagnosis.host.stretches import Where, bytecode_of, times_of

LINE = 7


def own_code() -> None:
    pass


CODE = own_code.__code__
TORCHS = torch.nn.functional.relu.__code__


def made(*steps: tuple[int, Kind, Any, int]) -> Events:
    """steps: microseconds since the event before, kind, what, microseconds of these in which the thread did not run."""
    events: list[Event] = [(0, Kind.CALL, CODE, LINE, 0)]
    for us, kind, what, off in steps:
        events.append((events[-1][0] + us * 1000, kind, what, LINE, off * 1000))
    return Events(events, 1, events[-1][0], events[-1][0])


def own_us(events: Events, cost: Cost = Cost(0.0)) -> float:  # noqa: B008, it is frozen
    return sum(times_of(events, cost).own.values()) / 1000


def test_a_long_stretch_is_own_and_a_short_one_is_not() -> None:
    assert own_us(made((300, Kind.RETURN, None, 0))) == 300
    assert own_us(made((30, Kind.RETURN, None, 0))) == 0


def test_a_stretch_is_long_by_the_time_in_which_its_thread_ran() -> None:
    assert own_us(made((300, Kind.RETURN, None, 290))) == 0
    assert own_us(made((300, Kind.RETURN, None, 200))) == 100


def test_what_others_had_the_core_for_is_part_of_the_step_and_spread_over_what_ran() -> None:
    assert own_us(made((300, Kind.RETURN, None, 200)), Cost(0.0, others=3.0)) == pytest.approx(300)


def test_a_sleep_is_own_though_nothing_runs_and_however_short_it_is() -> None:
    asleep = made(
        (0, Kind.ENTER, ("time", "sleep"), 0), (20, Kind.LEAVE, None, 20), (1, Kind.RETURN, None, 0)
    )
    assert own_us(asleep) == 20


def test_torch_s_doings_part_stretches_and_are_nobody_s_own() -> None:
    parted = made(
        *((40, Kind.CALL, TORCHS, 0), (900, Kind.ENTER, ("builtins", "len"), 0), (9, Kind.LEAVE, None, 0)),
        *((1, Kind.RETURN, None, 0), (40, Kind.ENTER, ("torch", "relu"), 0), (900, Kind.LEAVE, None, 0)),
        (40, Kind.RETURN, None, 0),
    )
    assert own_us(parted) == 0


def test_small_functions_of_the_language_belong_to_the_stretch_around_them() -> None:
    around = made(
        (40, Kind.ENTER, ("builtins", "len"), 0), (1, Kind.LEAVE, None, 0), (40, Kind.RETURN, None, 0)
    )
    assert own_us(around) == 81


def test_what_noting_adds_is_taken_off_before_a_stretch_is_called_long() -> None:
    calls = [(1, kind, CODE, 0) for _ in range(40) for kind in (Kind.CALL, Kind.RETURN)]
    assert own_us(made(*calls), Cost(900.0)) == 0
    assert own_us(made(*calls), Cost(100.0)) == pytest.approx(72, rel=0.1)
    assert own_us(made((300, Kind.RETURN, None, 0)), Cost(0.0, bytecode=2.0)) == 150


def test_between_two_lines_it_is_not_said_which() -> None:
    found = times_of(made((300, Kind.RETURN, None, 0)), Cost(0.0)).own
    assert list(found) == [Where(CODE, CODE.co_firstlineno, LINE)]


def test_bytecode_is_what_passes_with_python_innermost() -> None:
    found = bytecode_of(
        made(
            (40, Kind.ENTER, ("time", "sleep"), 30), (500, Kind.LEAVE, None, 500), (10, Kind.RETURN, None, 0)
        )
    )
    assert (found.ns, found.off_ns) == (50_000, 30_000)
