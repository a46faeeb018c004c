"""The device under a rank: where to compute, how to wait, and what it used.

In: a device kind and a local rank. Out: a Device. All that is CUDA-only stands in this module;
the rest of the worker is device-generic. Must not know modes, cells or records.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

# Launches that may be queued without the host being made to wait. CUDA's queue holds about 1,024; a
# quarter of it leaves room for launches that the estimate below does not count.
BURST_LAUNCHES = 256
# Kernels per Linear layer: matrix product with bias, ReLU, and one for split-K reductions or casts.
FORWARD_LAUNCHES = 3
# Forward, backward by input and by weight, bias reduction, ReLU's backward, gradient copies, update.
TRAIN_LAUNCHES = 12

# Cells are kept for later visits while so much of the host's memory is free, and while what is held of the
# device's is so little that the next cell hardly misses it.
CROWDED_HOST = 0.5
CROWDED_DEVICE = 0.125

_OOM_MESSAGES = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc", re.IGNORECASE)


class Device:
    """A CPU device: executes what it is told at once, so there is nothing to wait for."""

    kind = "cpu"
    asynchronous = False

    def __init__(self) -> None:
        self.torch_device = torch.device("cpu")
        self.wait: Callable[[], None] = _no_wait

    @property
    def name(self) -> str:
        return cpu_name()

    def begin_cell(self) -> None:
        """What is held from here on belongs to the cell that begins, and not to those that are kept."""

    def reset_peak_memory(self) -> None:
        """Start a new peak. Linux: writing 5 to clear_refs resets the peak resident set (proc(5))."""
        # Where this is not permitted, peaks are those since the process began: too high, never too low.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    def peak_memory_mib(self) -> float | None:
        """Peak memory since the reset, MiB: resident, of the whole process; None where it is not told."""
        try:
            status = Path("/proc/self/status").read_text()
        except OSError:
            return None
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else None

    def free_cached_memory(self) -> None:
        """Give cached blocks back after an out-of-memory error."""

    def is_crowded(self) -> bool:
        """Whether memory is too short to keep a cell for later."""
        memory = psutil.virtual_memory()
        return bool(memory.available < CROWDED_HOST * memory.total)

    def burst_steps(self, depth: int, workload: str) -> int | None:
        """Steps whose launches fit the launch queue; None where the issue time has no meaning."""
        return None


class Accelerator(Device):
    """One accelerator of this node, through torch.accelerator where torch has a generic call."""

    asynchronous = True

    def __init__(self, index: int) -> None:
        super().__init__()
        current = torch.accelerator.current_accelerator()
        if current is None:
            raise RuntimeError("torch sees no accelerator")
        self.kind = current.type
        self.torch_device = torch.device(current.type, index)
        torch.accelerator.set_device_index(index)
        self.wait = torch.accelerator.synchronize
        self._held_before = 0
        # Fixed, so that float32 means float32 on every generation of GPUs.
        torch.backends.cuda.matmul.allow_tf32 = False

    # torch.accelerator has memory statistics from 2.9 on only, and no name: CUDA's own calls, kept here.
    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.torch_device)

    def reset_peak_memory(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.torch_device)

    def begin_cell(self) -> None:
        self._held_before = torch.cuda.memory_allocated(self.torch_device)

    def peak_memory_mib(self) -> float | None:
        return (torch.cuda.max_memory_allocated(self.torch_device) - self._held_before) / 2**20

    def free_cached_memory(self) -> None:
        torch.cuda.empty_cache()

    def is_crowded(self) -> bool:
        total = torch.cuda.get_device_properties(self.torch_device).total_memory
        held = torch.cuda.memory_allocated(self.torch_device)
        return super().is_crowded() or held > CROWDED_DEVICE * total

    def burst_steps(self, depth: int, workload: str) -> int | None:
        per_step = depth * (TRAIN_LAUNCHES if workload == "train" else FORWARD_LAUNCHES)
        # A single step that overfills the queue would measure the queue, not the host.
        return BURST_LAUNCHES // per_step or (1 if per_step <= 3 * BURST_LAUNCHES else None)


def open_device(kind: str, local_rank: int) -> Device:
    """The device of this rank: local_rank is an index among the visible ones, as torchrun means it."""
    return Device() if kind == "cpu" else Accelerator(local_rank)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, the device's or the host's, has run out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_OOM_MESSAGES.search(str(error)))


def cpu_name() -> str:
    """The processor's model name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def pin_to_cores(local_rank: int, ranks: int, threads: int) -> list[int] | None:
    """Give this rank cores of its own, and answer which; None where there are too few for all.

    Cores are shared out evenly, so that a rank's helper threads (NCCL, autograd) have room on a large
    host; on too few cores nothing is pinned, since two ranks tied to one core would wait for each other
    while another core idles.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    share = len(cores) // ranks
    if share < threads:
        return None
    own = cores[local_rank * share : (local_rank + 1) * share]
    os.sched_setaffinity(0, own)
    return own


def _no_wait() -> None:
    pass
