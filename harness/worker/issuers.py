"""The devices that one rank drives, and the threads that issue to them: what a controller is at run time.

In: devices. Out: Issuers, which run something for every device and time blocks over all of them. Must not know
cells, modes or records.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from harness.core.controllers import CONTROLLERS
from harness.core.cpu import pin_thread, share_of
from harness.devices.device import Device
from harness.timing.blocks import Block, time_block, time_blocks
from harness.timing.bursts import Burst, time_burst
from harness.workloads.workload import Step, in_turn

T = TypeVar("T")

# Times one mode on all devices of this rank: so many steps on each, as one block; and whether with CPU time around it.
BlockTimer = Callable[[int, bool], Block]


class Issuers(ABC):
    """Who issues to each of this rank's devices, which are numbered from 0. An issuer is a thread."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = list(devices)

    @abstractmethod
    def at(self, index: int, action: Callable[[], T]) -> T:
        """Do something in the thread that issues to that device, with the device as the current one."""

    def each(self, action: Callable[[int], T]) -> list[T]:
        """Do something for every device in its issuer's thread, one device after the other."""
        return [self.at(index, partial(action, index)) for index in range(len(self.devices))]

    def pin(self, cores: Sequence[int], threads: int) -> None:
        """Tie what issues to the rank's cores, with the threads that it starts from here on, so those that share an
        operation with it. All else that is there by now keeps the cores of the process. threads: intra-op, of each."""
        self.at(0, partial(pin_thread, cores))

    @contextmanager
    def within(self, context: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
        """Within: every issuing thread is in a context of its own. torch's are a thread's own."""
        with ExitStack() as left:  # in the reverse order: devices may share an issuer
            for index in range(len(self.devices)):
                entered = self.at(index, lambda: _entered(context()))
                left.callback(self.at, index, partial(entered.__exit__, None, None, None))
            yield

    def wait(self) -> None:
        """Return when every device is done."""
        for device in self.devices:
            device.wait()

    @abstractmethod
    def timer(self, steps: Sequence[Step]) -> BlockTimer:
        """What times one mode's steps, a step for each device, issued together."""

    def burst(self, index: int, step: Step, count: int, hold_ns: float) -> Burst:
        """Issue and device time of one device's steps; the others have nothing to do meanwhile."""
        device = self.devices[index]

        def timed() -> Burst:
            return time_burst(step.call, count, device.gate(hold_ns), device.wait, repeat=step.repeat)

        return self.at(index, timed)

    def peak_memory_mib(self) -> float | None:
        """The largest peak of any device."""
        peaks = [peak for device in self.devices if (peak := device.peak_memory_mib()) is not None]
        return max(peaks, default=None)


class InTurn(Issuers):
    """One thread issues to all devices in turn; with one device, to that one alone."""

    def at(self, index: int, action: Callable[[], T]) -> T:
        with self.devices[index].active():
            return action()

    def timer(self, steps: Sequence[Step]) -> BlockTimer:
        call, repeat = in_turn(steps)
        # The device's own call where it is the only one: nothing of ours between it and the clock.
        wait_for = self.devices[0].wait if len(self.devices) == 1 else self.wait

        def block(count: int, usage: bool) -> Block:
            return time_block(call, count, wait_for, usage=usage, repeat=repeat)

        return block


class Threaded(Issuers):
    """Each device has a thread of its own; the calling thread waits for them, without polling."""

    def __init__(self, devices: Sequence[Device]) -> None:
        super().__init__(devices)
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"issuer-{index}", initializer=device.prepare_thread)
            for index, device in enumerate(self.devices)
        ]

    def at(self, index: int, action: Callable[[], T]) -> T:
        return self._threads[index].submit(action).result()

    def pin(self, cores: Sequence[int], threads: int) -> None:
        """Each thread to a share of its own, as ranks have; to all of them where there are too few."""
        parts = len(self._threads)
        self.each(lambda index: pin_thread(share_of(cores, index, parts, threads) or cores))

    def timer(self, steps: Sequence[Step]) -> BlockTimer:
        together = threading.Barrier(len(steps))

        def block(count: int, usage: bool) -> Block:
            def one(index: int) -> Block:
                step = steps[index]
                together.wait()
                return time_block(step.call, count, self.devices[index].wait, usage=usage, repeat=step.repeat)

            return time_blocks(lambda: self._at_once(one), usage=usage)

        return block

    def _at_once(self, action: Callable[[int], T]) -> list[T]:
        """Do something in all threads at the same time; raises what one of them raised, when all are done."""
        running = [thread.submit(action, index) for index, thread in enumerate(self._threads)]
        wait(running)
        return [each.result() for each in running]


def open_issuers(controller: str, devices: Sequence[Device]) -> Issuers:
    """The issuers of a rank under that controller."""
    return (Threaded if CONTROLLERS[controller].thread_per_device else InTurn)(devices)


def _entered(context: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    context.__enter__()
    return context
