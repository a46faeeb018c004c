"""Things that are called are timed in turn, each by blocks of its own length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.timing.interleaved import BLOCK_NS, LEAST_ROUNDS, Blocks, rounds


class Time:
    """A clock that goes on by what is called."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def taking(self, ns: int) -> object:
        def call() -> None:
            self.now += ns

        return call


def test_a_block_is_as_long_as_asked_and_answers_what_one_call_takes() -> None:
    clock = Time()
    quick, slow = (Blocks(clock.taking(ns), clock=clock) for ns in (100, 5_000_000))  # type: ignore[arg-type]
    assert (quick(), slow()) == (100, 5_000_000)
    assert 0.7 * BLOCK_NS <= 100 * quick.steps <= 1.1 * BLOCK_NS
    assert slow.steps == 1


def test_a_first_slow_call_does_not_make_blocks_short() -> None:
    clock, taken = Time(), iter([4_000_000])

    def call() -> None:
        clock.now += next(taken, 1_000)

    block = Blocks(call, clock=clock)
    assert block() == 1_000
    assert block.steps >= 0.7 * BLOCK_NS / 1_000


def test_each_block_is_led_in_by_as_many_calls_which_are_not_timed() -> None:
    clock, called = Time(), []

    def call() -> None:
        # The first calls after another's block are slow.
        clock.now += 10_000 if len(called) < 300 else 1_000
        called.append(clock.now)

    block = Blocks(call, clock=clock, block_ns=200_000)
    block.steps = 300
    assert block() == 1_000
    assert len(called) == 600


def test_waiting_is_part_of_a_block_and_the_context_is_not() -> None:
    clock = Time()

    @contextmanager
    def within() -> Iterator[None]:
        clock.now += 10**9
        yield
        clock.now += 10**9

    def wait() -> None:
        clock.now += 1_000

    block = Blocks(clock.taking(2_000), wait, context=within, clock=clock, block_ns=1)  # type: ignore[arg-type]
    assert block() == 3_000


def test_what_repeats_by_itself_is_not_called_one_by_one() -> None:
    clock, asked = Time(), []

    def repeat(steps: int) -> None:
        asked.append(steps)
        clock.now += 50 * steps

    block = Blocks(lambda: 1 / 0, repeat=repeat, clock=clock, block_ns=1_000)
    assert block() == 50
    assert sum(asked) > 40


def test_every_round_has_every_measure_in_an_order_that_differs_and_the_first_is_left_out() -> None:
    clock, order = Time(), []

    def measure(name: str) -> object:
        def taken() -> float:
            clock.now += 1_000_000
            order.append(name)
            return float(len(order))

        return taken

    names = ["a", "b", "c"]
    values = rounds({name: measure(name) for name in names}, seconds=0, clock=clock)  # type: ignore[misc]
    assert {name: len(each) for name, each in values.items()} == dict.fromkeys(names, LEAST_ROUNDS)
    in_rounds = [tuple(order[at : at + 3]) for at in range(0, len(order), 3)]
    assert all(sorted(each) == names for each in in_rounds)
    assert len(set(in_rounds[1:])) > 1
    assert min(value for each in values.values() for value in each) > 3


def test_rounds_go_on_for_as_long_as_asked() -> None:
    clock = Time()

    def taken() -> float:
        clock.now += 10_000_000
        return 1.0

    assert len(rounds({"a": taken}, seconds=1, clock=clock)["a"]) == 100
