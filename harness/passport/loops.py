"""What is timed for a passport: calls in a loop whose own cost is taken off, on the host or as it issues to a device.

In: a device, calls. Out: measures by name, for harness.timing.interleaved. Must not know what a cost is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import repeat as times
from typing import Any

import torch

from harness.core.collector import no_collections
from harness.devices.device import Device
from harness.timing.clock import CLOCK, Clock
from harness.timing.interleaved import BLOCK_NS, Blocks, Measure

# So many launches fit the queue of a device with room to spare: beyond, the host waits for the device.
BURST_LAUNCHES = 200

Context = Callable[[], AbstractContextManager[Any]]
# From a round's values of all measures, the value of a cost in that round.
Formula = Callable[[Mapping[str, float]], float]


class Unavailable(Exception):
    """A cost that cannot be had here; the message says why, in one line."""


def _nothing() -> None:
    pass


def empty_loop(steps: int) -> None:
    """What every loop below costs by itself."""
    for _ in times(None, steps):
        pass


def looped(call: Callable[..., Any], *given: Any) -> Callable[[int], None]:
    """So many calls, with one argument or none, and nothing of ours between them."""
    if not given:

        def bare(steps: int) -> None:
            for _ in times(None, steps):
                call()

        return bare
    (argument,) = given

    def repeat(steps: int) -> None:
        for _ in times(None, steps):
            call(argument)

    return repeat


class Issued:
    """A Measure: what the host takes to issue one call, on a device that works on while it does.

    In bursts that fit the device's queue, each waited for outside of what is timed, as many as make a block; one call
    goes before each burst, since the first after a wait takes longer.
    """

    def __init__(
        self,
        repeat: Callable[[int], Any],
        launches: int,
        device: Device,
        *,
        context: Context,
        block_ns: float = BLOCK_NS,
        clock: Clock = CLOCK,
    ) -> None:
        self._repeat, self._wait, self._context = repeat, device.wait, context
        self._steps = max(1, BURST_LAUNCHES // launches)
        self._block_ns, self._clock = block_ns, clock

    def __call__(self) -> float:
        taken, count = 0, 0
        with no_collections(), self._context():
            while taken < self._block_ns:
                self._wait()
                self._repeat(1)
                start = self._clock()
                self._repeat(self._steps)
                taken += self._clock() - start
                count += self._steps
            self._wait()
        return taken / count


@dataclass
class Bench:
    """The measures of one passport, each by a name. block_ns: how long a value is measured for."""

    device: Device
    block_ns: float = BLOCK_NS
    measures: dict[str, Measure] = field(default_factory=dict)

    def host(
        self, name: str, call: Callable[..., Any], *given: Any, context: Context = torch.inference_mode
    ) -> None:
        """Time calls that the host executes itself, to their end."""
        self.repeated(name, looped(call, *given), context=context)

    def repeated(
        self, name: str, repeat: Callable[[int], Any], *, context: Context = torch.inference_mode
    ) -> None:
        """Time what repeats itself so many times."""
        self.measures[name] = Blocks(_nothing, context=context, repeat=repeat, block_ns=self.block_ns)

    def issued(self, name: str, call: Callable[..., Any], *given: Any, launches: int = 1) -> None:
        """Time calls on the device: to their end on a CPU, what the host takes to issue them on all others."""
        if not self.device.asynchronous:
            self.host(name, call, *given)
            return
        self.measures[name] = Issued(
            looped(call, *given), launches, self.device, context=torch.inference_mode, block_ns=self.block_ns
        )

    def need(self, name: str, why: str) -> None:
        """Raises Unavailable with that reason where a measure that another cost has made is not there."""
        if name not in self.measures:
            raise Unavailable(why)


def over(name: str, *less: str) -> Formula:
    """A measure less others."""
    return lambda taken: taken[name] - sum(taken[each] for each in less)


def slope(many: str, one: str, count: int) -> Formula:
    """What one more of `count` costs, of which the second measure has one."""
    return lambda taken: (taken[many] - taken[one]) / (count - 1)
