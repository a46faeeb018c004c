"""Steps as they are, with what waits for a device or for torch's loaders timed around it.

In: a step to call. Out: what a step takes, and of that what is waited. Must not know any events within a step.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch
from torch.utils.data import dataloader

from harness.diagnosis.host.owners import Owner, owner_of
from harness.diagnosis.host.patched import Around, patched
from harness.diagnosis.host.waits import Place, Waits
from harness.timing.clock import CLOCK

# Of the time, and steps at least: caches fill, and loaders come to the pace that they keep.
LEAD_SHARE, LEAST_STEPS = 0.2, 2


@dataclass(frozen=True)
class Plain:
    """host_ns: of a step until it is called. cpu_ns: of that, in which the thread ran. step_ns: until the device is
    done too. waits: of all steps, times and nanoseconds. loader: nanoseconds of all steps in asking torch's loaders, by
    the line that asks."""

    steps: int
    host_ns: float
    cpu_ns: float
    step_ns: float
    waits: dict[Place, tuple[int, int]]
    loader: dict[tuple[CodeType, int], int]


def time_plain(
    call: Callable[[], Any], *, seconds: float, waits: Waits, device: torch.device | None
) -> Plain:
    """Call steps for about so long. Raises what the call raises."""
    loader: Counter[tuple[CodeType, int]] = Counter()
    wait = _wait_for(device)
    with waits.watched(), patched([(dataloader._BaseDataLoaderIter, "__next__", _noting(loader))]):
        _steps(call, seconds * LEAD_SHARE)
        wait()
        waits.places.clear()
        loader.clear()
        start, cpu_start = CLOCK(), time.thread_time_ns()
        steps, end = _steps(call, seconds * (1 - LEAD_SHARE))
        cpu = time.thread_time_ns() - cpu_start
        noted, loaded = dict(waits.places), dict(loader)
        wait()
        done = CLOCK()
    return Plain(steps, (end - start) / steps, cpu / steps, (done - start) / steps, noted, loaded)


def _steps(call: Callable[[], Any], seconds: float) -> tuple[int, int]:
    """How many, and the time at their end."""
    start = now = CLOCK()
    steps = 0
    while steps < LEAST_STEPS or now - start < seconds * 1e9:
        call()
        steps, now = steps + 1, CLOCK()
    return steps, now


def _wait_for(device: torch.device | None) -> Callable[[], Any]:
    if device is None or device.type == "cpu":
        return lambda: None
    module = getattr(torch, device.type, None)
    return getattr(module, "synchronize", lambda: None)


def _noting(loader: Counter[tuple[CodeType, int]]) -> Around:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any) -> Any:
            start = CLOCK()
            try:
                return original(self)
            finally:
                frame: FrameType | None = sys._getframe(1)
                while frame is not None and owner_of(frame.f_code.co_filename) is not Owner.USER:
                    frame = frame.f_back
                if frame is not None:
                    loader[frame.f_code, frame.f_lineno or 0] += CLOCK() - start

        return call

    return around
