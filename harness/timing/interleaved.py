"""Several things that are called, timed in turn by short blocks: what slows one of them down slows the others too.

In: things to call. Out: of each the nanoseconds of one call, a value a round. Must not know torch, modes, ranks or
records.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import repeat as times
from typing import Any

from harness.core.collector import no_collections
from harness.timing.clock import CLOCK, Clock

# Answers nanoseconds of one call of what it measures.
Measure = Callable[[], float]

# Nobody need wait longer for a value; a clock is read to some tens of nanoseconds.
BLOCK_NS = 2e6
# A block that is shorter than this share of what it should be is made longer, by at most so many times at once: the
# first, cold calls overstate what one takes.
LONG_ENOUGH, GROWTH = 0.7, 10
# Rounds that count, at least: with fewer there is no interval of a median.
LEAST_ROUNDS = 7


def _nothing() -> None:
    pass


class Blocks:
    """A Measure: the mean of as many calls as make a block.

    A block is led in by as many calls, untimed: after another measure's block caches hold that one's code and numbers.
    """

    def __init__(
        self,
        call: Callable[[], Any],
        wait: Callable[[], Any] = _nothing,
        *,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        repeat: Callable[[int], Any] | None = None,
        block_ns: float = BLOCK_NS,
        clock: Clock = CLOCK,
    ) -> None:
        """wait: returns when all that was called is done. context: what calls are made within, entered outside of what
        is timed. repeat: makes so many calls by itself, with no Python between them, and is called instead."""
        self._call, self._wait, self._context, self._repeat = call, wait, context, repeat
        self._block_ns, self._clock = block_ns, clock
        self.steps = 0

    def __call__(self) -> float:
        with no_collections(), self._context():
            if not self.steps:
                self._find_steps()
            self._run(self.steps)
            return self._timed(self.steps) / self.steps

    def _find_steps(self) -> None:
        steps = 1
        self._run(1)
        while (taken := self._timed(steps)) < LONG_ENOUGH * self._block_ns:
            wanted = int(self._block_ns / max(taken / steps, 1.0)) + 1
            steps = max(steps + 1, min(wanted, steps * GROWTH))
        self.steps = steps

    def _timed(self, steps: int) -> float:
        self._wait()
        calls, call = times(None, steps), self._call
        start = self._clock()
        if self._repeat is not None:
            self._repeat(steps)
        else:
            for _ in calls:
                call()
        self._wait()
        return self._clock() - start

    def _run(self, steps: int) -> None:
        if self._repeat is not None:
            self._repeat(steps)
            return
        for _ in times(None, steps):
            self._call()


def rounds(
    measures: Mapping[str, Measure],
    *,
    seconds: float,
    least: int = LEAST_ROUNDS,
    seed: int = 0,
    clock: Clock = CLOCK,
) -> dict[str, list[float]]:
    """Of each measure its values, one a round; in each round all are taken, in random order.

    seconds: after that no further round is begun, but for the least number of them. The first round, in which blocks
    find their length and things are called for the first time, is not among them.
    """
    taken: dict[str, list[float]] = {name: [] for name in measures}
    order, source = list(measures), random.Random(seed)
    for name in order:
        measures[name]()
    start, count = clock(), 0
    while count < least or clock() - start < seconds * 1e9:
        source.shuffle(order)
        for name in order:
            taken[name].append(measures[name]())
        count += 1
    return taken
