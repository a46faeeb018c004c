"""The most bytes of tensors that are alive at a time within a call on a CPU, beyond those that were before.

In: something to call. Out: bytes, by torch's own memory profiler. Must not know what is called.

Everything that torch's allocator gives is told there, whoever asks for it: Python, TorchScript, compiled code. What a
library takes for itself (oneDNN's scratch memory) is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile


def peak_bytes(call: Callable[[], Any]) -> int:
    """Of one call, its result included."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = call()
    del result
    return highest(_changes(profiler))


def highest(changes: list[tuple[int, int]]) -> int:
    """changes: (time, bytes that were taken or, below 0, given back). What was there before and is given back makes
    room for what is taken."""
    alive = peak = 0
    for _, size in sorted(changes, key=lambda change: change[0]):
        alive += size
        peak = max(peak, alive)
    return peak


def _changes(profiler: profile) -> list[tuple[int, int]]:
    results: Any = profiler.profiler
    return [
        (event.start_ns(), event.nbytes())
        for event in results.kineto_results.events()
        if event.name() == "[memory]" and event.device_type() == DeviceType.CPU
    ]
