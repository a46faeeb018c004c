"""The devices that one rank drives, and the threads that issue to them: what a controller is at run time.

In: devices. Out: Lanes, which run something for every device and time blocks over all of them. Must not know
cells, modes or records.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from harness.core.controllers import CONTROLLERS
from harness.devices.device import Device
from harness.timing.blocks import Block, time_block, time_blocks
from harness.timing.bursts import Burst, time_burst
from harness.workloads.workload import Step, in_turn

T = TypeVar("T")


@dataclass(frozen=True)
class Drive:
    """One mode on all devices of this rank. call: one step on each. block: so many steps on each, timed."""

    call: Callable[[], Any]
    block: Callable[[int, bool], Block]


class Lanes(ABC):
    """One lane for each device of this rank, numbered from 0."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = list(devices)

    @abstractmethod
    def at(self, lane: int, action: Callable[[], T]) -> T:
        """Do something in the thread that issues to that device, with the device as the current one."""

    def each(self, action: Callable[[int], T]) -> list[T]:
        """Do something for every lane in its thread, one lane after the other."""
        return [self.at(lane, partial(action, lane)) for lane in range(len(self.devices))]

    @contextmanager
    def within(self, context: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
        """Within: every issuing thread is in a context of its own. torch's are a thread's own."""
        with ExitStack() as left:  # in the reverse order: lanes may share a thread
            for lane in range(len(self.devices)):
                entered = self.at(lane, lambda: _entered(context()))
                left.callback(self.at, lane, partial(entered.__exit__, None, None, None))
            yield

    def wait(self) -> None:
        """Return when every device is done."""
        for device in self.devices:
            device.wait()

    @abstractmethod
    def drive(self, steps: Sequence[Step]) -> Drive:
        """One mode's steps, a step for each device, ready to be issued together."""

    def burst(self, lane: int, step: Step, count: int, hold_ns: float) -> Burst:
        """Issue and device time of one device's steps; the others have nothing to do meanwhile."""
        device = self.devices[lane]

        def timed() -> Burst:
            return time_burst(step.call, count, device.gate(hold_ns), device.wait, repeat=step.repeat)

        return self.at(lane, timed)

    def peak_memory_mib(self) -> float | None:
        """The largest peak of any device."""
        peaks = [peak for device in self.devices if (peak := device.peak_memory_mib()) is not None]
        return max(peaks, default=None)


class InTurn(Lanes):
    """One thread issues to all devices in turn; with one device, to that one alone."""

    def at(self, lane: int, action: Callable[[], T]) -> T:
        with self.devices[lane].active():
            return action()

    def drive(self, steps: Sequence[Step]) -> Drive:
        call, repeat = in_turn(steps)
        # The device's own call where it is the only one: nothing of ours between it and the clock.
        wait_for = self.devices[0].wait if len(self.devices) == 1 else self.wait

        def block(count: int, usage: bool) -> Block:
            return time_block(call, count, wait_for, usage=usage, repeat=repeat)

        return Drive(call, block)


class Threaded(Lanes):
    """Each device has a thread of its own; the calling thread waits for them, without polling."""

    def __init__(self, devices: Sequence[Device]) -> None:
        super().__init__(devices)
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"lane-{lane}", initializer=device.prepare_thread)
            for lane, device in enumerate(self.devices)
        ]

    def at(self, lane: int, action: Callable[[], T]) -> T:
        return self._threads[lane].submit(action).result()

    def drive(self, steps: Sequence[Step]) -> Drive:
        together = threading.Barrier(len(steps))

        def block(count: int, usage: bool) -> Block:
            def one(lane: int) -> Block:
                step = steps[lane]
                together.wait()
                return time_block(step.call, count, self.devices[lane].wait, usage=usage, repeat=step.repeat)

            return time_blocks(lambda: self._at_once(one), usage=usage)

        return Drive(lambda: self._at_once(lambda lane: steps[lane].call()), block)

    def _at_once(self, action: Callable[[int], T]) -> list[T]:
        """Do something in all threads at the same time; raises what one of them raised, when all are done."""
        running = [thread.submit(action, lane) for lane, thread in enumerate(self._threads)]
        wait(running)
        return [each.result() for each in running]


def open_lanes(controller: str, devices: Sequence[Device]) -> Lanes:
    """The lanes of a rank under that controller."""
    return (Threaded if CONTROLLERS[controller].thread_per_device else InTurn)(devices)


def _entered(context: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    context.__enter__()
    return context
