"""Costs of a device that works on while the host does: launches, and the smallest kernel.

In: a Bench. Out: measures in it, and how each cost follows from them; Unavailable on a CPU. Must not know modes.
"""

from __future__ import annotations

import math

import torch

from harness.passport.loops import BURST_LAUNCHES, Bench, Formula, Unavailable, over
from harness.passport.modules import SIDE
from harness.timing.bursts import LEAST_HOLD_NS, longer_hold, time_burst

# The measure of a loop around nothing, which python_call makes.
LOOP = "loop"
# After so many bursts that a device did not wait for, one longer than the other, a round has no value.
MOST_TRIES = 6


def launch(bench: Bench) -> Formula:
    """An operator on the device: its dispatch and launch, as the host has it."""
    _need_device(bench)
    bench.issued("launch", torch.neg, _numbers(bench))
    return over("launch", LOOP)


def graph_launch(bench: Bench) -> Formula:
    _need_device(bench)
    given = _numbers(bench)
    with torch.inference_mode(), bench.device.active():
        torch.neg(given)
        bench.device.wait()
        step = bench.device.captured(lambda: torch.neg(given))
    bench.issued("graph_launch", step.replay)
    return over("graph_launch", LOOP)


def _need_device(bench: Bench) -> None:
    if not bench.device.asynchronous:
        raise Unavailable("nothing is launched on a CPU")


def kernel_floor(bench: Bench) -> Formula:
    """Kernels that do next to nothing, queued behind one another: what each takes of the device."""
    _need_device(bench)
    held = _Held(bench)
    if math.isnan(held()):
        raise Unavailable(
            "the device is not held while the host issues: its time cannot be told from the host's"
        )
    bench.measures["kernel_floor"] = held
    return over("kernel_floor")


class _Held:
    """A Measure: nanoseconds of the device for one operator; NaN where it was let go too early."""

    def __init__(self, bench: Bench) -> None:
        self._device, self._hold_ns = bench.device, float(LEAST_HOLD_NS)
        given = _numbers(bench)
        self._step = lambda: torch.neg(given)

    def __call__(self) -> float:
        device = self._device
        with torch.inference_mode(), device.active():
            for _ in range(MOST_TRIES):
                burst = time_burst(self._step, BURST_LAUNCHES, device.gate(self._hold_ns), device.wait)
                if burst.device_ns is not None:
                    return burst.device_ns
                self._hold_ns = longer_hold(self._hold_ns, BURST_LAUNCHES, burst)
        return math.nan


def _numbers(bench: Bench) -> torch.Tensor:
    return torch.ones(SIDE, SIDE, device=bench.device.torch_device)
