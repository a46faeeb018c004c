"""The device under a rank: where to compute, how to wait, and what it used. This one is a CPU.

In: nothing. Out: a Device, whose every call an accelerator answers as well. Must not know accelerators, modes, cells
or records.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import psutil
import torch

from harness.core.cpu import cpu_name
from harness.devices.live_tensors import peak_bytes
from harness.timing.bursts import Gate

# Cells are kept for later visits while so much of the host's memory is free.
CROWDED_HOST = 0.5


class CapturedStep(Protocol):
    """A call as a graph of launches. launches: how many; None where the device does not tell. replay: makes the call
    again by a single launch."""

    launches: int | None
    replay: Callable[[], None]


class Device:
    """A CPU device: executes what it is told at once, so there is nothing to wait for."""

    kind = "cpu"
    asynchronous = False
    # Whether what it is told is computed, so that outputs mean something.
    computes = True

    def __init__(self) -> None:
        self.torch_device = torch.device("cpu")
        self.wait: Callable[[], None] = _no_wait

    @property
    def name(self) -> str:
        return cpu_name()

    def identity(self) -> dict[str, str]:
        """What tells this device from all others of any node: uuid and pci, as NVML gives them; empty for a CPU."""
        return {}

    def begin_cell(self) -> None:
        """What is held from here on belongs to the cell that begins, and not to those that are kept."""

    def reset_peak_memory(self) -> None:
        """Start a new peak. Linux: writing 5 to clear_refs resets the peak resident set (proc(5))."""
        # Where this is not permitted, peaks are those since the process began: too high, never too low.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")

    def peak_memory_mib(self) -> float | None:
        """Peak since the reset of all that the process holds, MiB: on a CPU resident; None where it is not told."""
        try:
            status = Path("/proc/self/status").read_text(encoding="utf-8")
        except OSError:
            return None
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else None

    def tensor_peak_bytes(self, call: Callable[[], Any]) -> int:
        """The most bytes of tensors that are alive at a time within a call, beyond those that were before it."""
        return peak_bytes(call)

    def free_cached_memory(self) -> None:
        """Give cached blocks back after an out-of-memory error."""

    def is_crowded(self) -> bool:
        """Whether memory is too short to keep a cell for later."""
        memory = psutil.virtual_memory()
        return bool(memory.available < CROWDED_HOST * memory.total)

    def burst_steps(self, launches: int) -> int | None:
        """Steps of so many launches that fit the launch queue; None where the issue time has no meaning."""
        return None

    def is_broken(self) -> bool:
        """Whether the device fails whatever this process asks of it from now on."""
        return False

    def active(self) -> AbstractContextManager[Any]:
        """Within: what names no device, as events and streams, means this one, in this thread."""
        return contextlib.nullcontext()

    def prepare_thread(self) -> None:
        """Settle what is a thread's own: called once in every thread that issues to this device."""
        torch.set_flush_denormal(True)  # a denormal number slows a CPU kernel many times; see build_model

    def gate(self, hold_ns: float) -> Gate:
        """What holds the device for so many nanoseconds while work is queued; for asynchronous ones alone."""
        raise TypeError(f"{self.kind} executes synchronously")

    def captured(self, call: Callable[[], Any]) -> CapturedStep:
        """One call as a graph that can be replayed; for asynchronous devices alone."""
        raise TypeError(f"{self.kind} executes synchronously")


def _no_wait() -> None:
    pass
