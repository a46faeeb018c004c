"""The check of device_us: the same step as a graph of launches, whose replay has no host in it.

In: issuers and a step. Out: how many launches the step is, and its device time by both ways. Must not know cells
or records.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.devices.device import Device
from harness.devices.launch_queue import launches_of_step
from harness.timing.bursts import LEAST_HOLD_NS, longer_hold
from harness.worker.issuers import Issuers
from harness.workloads.workload import Step

# Pairs of a held burst and a replay, taken in turn, so that a clock that changes changes both.
PAIRS = 5
# Replays that are timed as one.
REPLAYS = 4


@dataclass(frozen=True)
class Replay:
    """launches: of one step, counted. held_ns, replay_ns: device time of one step by a held burst and by the
    replay of a graph. None where the step cannot be captured, or the device executes synchronously.

    spoiled: whether the step does not run any more once it was captured, and has to be built anew: what notes by an
    event of its own when it was done (AOTInductor's containers) has then one without a time."""

    launches: int | None = None
    held_ns: float | None = None
    replay_ns: float | None = None
    spoiled: bool = False


NOT_REPLAYED = Replay()


def replayed(issuers: Issuers, step: Step, most: int) -> Replay:
    """Capture a step of the first device, count its launches, and time it by both ways, by at most so many steps.

    What cannot be captured, as what is a graph already, has no replay: nothing is known then.
    """
    device = issuers.devices[0]
    try:
        call = step.once
        captured = issuers.at(0, lambda: device.captured(call))
    except RuntimeError:
        issuers.at(0, lambda: _settle(device))
        return NOT_REPLAYED
    if not _still_runs(issuers, call, device):
        return Replay(captured.launches, spoiled=True)
    again = Step(captured.replay, list)
    steps = min(device.burst_steps(captured.launches or launches_of_step(1, "forward")) or 1, most)
    queued: list[float] = []
    replays: list[float] = []
    hold_ns = float(LEAST_HOLD_NS)
    for _ in range(2 * PAIRS):  # the first ones find out for how long to hold
        burst = issuers.burst(0, step, steps, hold_ns)
        if burst.device_ns is None:
            hold_ns = longer_hold(hold_ns, steps, burst)
            continue
        replay = issuers.burst(0, again, min(REPLAYS, most), hold_ns)
        if replay.device_ns is not None:
            queued.append(burst.device_ns)
            replays.append(replay.device_ns)
        if len(queued) == PAIRS:
            break
    if not queued:
        return Replay(captured.launches)
    return Replay(captured.launches, statistics.median(queued), statistics.median(replays))


def _still_runs(issuers: Issuers, call: Callable[[], Any], device: Device) -> bool:
    try:
        issuers.at(0, call)
        issuers.at(0, device.wait)
    except RuntimeError:
        issuers.at(0, lambda: _settle(device))
        return False
    return True


def _settle(device: Device) -> None:
    """A capture that failed leaves an error for the next call to report: let it be this one."""
    try:
        device.wait()
    except RuntimeError:
        device.wait()
