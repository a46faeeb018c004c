"""Issue and device time of a step on an accelerator, by bursts queued behind a device that is held.

In: a step and its device. Out: of each burst what the host and the device took. Must not know what is concluded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from harness.devices.device import Device
from harness.devices.launch_queue import AT_MOST_OF_OPERATION
from harness.timing.bursts import LEAST_HOLD_NS, MOST_HOLD_NS, longer_hold, time_burst

# A burst of a step that is a launch or two need not be longer to be timed well.
MOST_STEPS = 64


class Queued:
    """A Measure (harness.timing.interleaved) of the host's nanoseconds to issue a step; device_ns has the device's of
    the bursts that were queued in time."""

    def __init__(
        self,
        call: Callable[[], Any],
        device: Device,
        steps: int,
        context: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self._call, self._device, self._context = call, device, context
        self.steps = steps
        self.device_ns: list[float] = []
        self._hold_ns = float(LEAST_HOLD_NS)

    def __call__(self) -> float:
        with self._context():
            self._call()
            burst = time_burst(self._call, self.steps, self._device.gate(self._hold_ns), self._device.wait)
        if burst.device_ns is None:
            self._hold_ns = longer_hold(self._hold_ns, self.steps, burst)
        else:
            self.device_ns.append(burst.device_ns)
        return burst.issue_ns

    @property
    def hopeless(self) -> bool:
        """Whether the device is let go of before a step is queued, however long it is held: the step waits for it."""
        return not self.device_ns and self._hold_ns >= MOST_HOLD_NS


def launches_of(
    call: Callable[[], Any], device: Device, context: Callable[[], AbstractContextManager[Any]]
) -> int | None:
    """Launches of a call, counted in a graph that it is captured in; None where it cannot be captured."""
    with context(), device.active():
        try:
            captured = device.captured(call)
        except RuntimeError:
            _settle(device)
            return None
        try:
            call()
            device.wait()
        except RuntimeError:
            _settle(device)
        return captured.launches


def queued(
    call: Callable[[], Any],
    device: Device,
    context: Callable[[], AbstractContextManager[Any]],
    launches: int | None,
    operators: int,
) -> Queued | None:
    """None where not even one step fits the launch queue."""
    steps = device.burst_steps(launches or AT_MOST_OF_OPERATION * max(operators, 1))
    return None if steps is None else Queued(call, device, min(steps, MOST_STEPS), context)


def _settle(device: Device) -> None:
    """A capture that failed leaves an error for the next call to report: let it be this one."""
    try:
        device.wait()
    except RuntimeError:
        device.wait()
