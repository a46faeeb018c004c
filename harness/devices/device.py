"""The device under a rank: where to compute, how to wait, and what it used.

In: a device kind and a local rank. Out: a Device. All that is CUDA-only stands in this module;
the rest of the worker is device-generic. Must not know modes, cells or records.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

from harness.devices.cores import cpu_name
from harness.timing.bursts import Gate

# Launches that may be queued without the host being made to wait. CUDA's queue holds about 1,024; a
# quarter of it leaves room for launches that the estimate below does not count.
BURST_LAUNCHES = 256
# Kernels per Linear layer: matrix product with bias, ReLU, and one for split-K reductions or casts.
FORWARD_LAUNCHES = 3
# Forward, backward by input and by weight, bias reduction, ReLU's backward, gradient copies, update.
TRAIN_LAUNCHES = 12

# Some milliseconds on any clock, against which the events' resolution of 0.5 us is nothing.
CALIBRATION_CYCLES = 10_000_000

# Cells are kept for later visits while so much of the host's memory is free, and while what is held of the
# device's is so little that the next cell hardly misses it.
CROWDED_HOST = 0.5
CROWDED_DEVICE = 0.125

_OOM_MESSAGES = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc", re.IGNORECASE)


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

    def burst_steps(self, depth: int, workload: str, launches: int | None = None) -> int | None:
        """Steps whose launches fit the launch queue; None where the issue time has no meaning.

        launches: of one step where they were counted; they are estimated else.
        """
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
        self.wait = partial(torch.accelerator.synchronize, self.torch_device)
        self._held_before = 0
        self._cycles_per_ns = 0.0
        # Fixed, so that float32 means float32 on every generation of GPUs.
        torch.backends.cuda.matmul.allow_tf32 = False

    # torch.accelerator has memory statistics from 2.9 on only, and no name: CUDA's own calls, kept here.
    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.torch_device)

    def identity(self) -> dict[str, str]:
        properties = torch.cuda.get_device_properties(self.torch_device)
        found = {"uuid": f"GPU-{properties.uuid}"}
        if hasattr(properties, "pci_bus_id"):  # not in every version that is supported
            domain, bus, slot = (
                getattr(properties, f"pci_{part}_id") for part in ("domain", "bus", "device")
            )
            found["pci"] = f"{domain:08X}:{bus:02X}:{slot:02X}.0"
        return found

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

    def is_broken(self) -> bool:
        # An error of a kernel stays with the process's context: every later call answers with it.
        try:
            self.wait()
        except RuntimeError:
            return True
        return False

    def active(self) -> AbstractContextManager[Any]:
        return torch.cuda.device(self.torch_device)  # type: ignore[no-untyped-call]

    def prepare_thread(self) -> None:
        super().prepare_thread()
        torch.accelerator.set_device_index(self.torch_device.index)

    def captured(self, call: Callable[[], Any]) -> CapturedStep:
        return CapturedStep(call)

    def gate(self, hold_ns: float) -> Gate:
        self._cycles_per_ns = self._cycles_per_ns or self._calibrated()
        return _HeldStream(int(hold_ns * self._cycles_per_ns))

    def _calibrated(self) -> float:
        """Cycles of torch.cuda._sleep in a nanosecond. Its clock is the multiprocessors', which moves with load."""
        start, end = _events()
        for _ in range(2):  # the first one wakes the device up
            start.record()
            torch.cuda._sleep(CALIBRATION_CYCLES)  # type: ignore[no-untyped-call]
            end.record()
            self.wait()
        return float(CALIBRATION_CYCLES / (start.elapsed_time(end) * 1e6))

    def burst_steps(self, depth: int, workload: str, launches: int | None = None) -> int | None:
        per_step = launches or depth * (TRAIN_LAUNCHES if workload == "train" else FORWARD_LAUNCHES)
        # A single step that overfills the queue would measure the queue, not the host.
        return BURST_LAUNCHES // per_step or (1 if per_step <= 3 * BURST_LAUNCHES else None)


def _events() -> tuple[Any, Any]:
    """Two events that hold the time; torch has none that are generic before 2.9."""
    event: Any = torch.cuda.Event
    return event(enable_timing=True), event(enable_timing=True)


class _HeldStream:
    """A Gate made of a kernel that does nothing for a number of cycles: what is queued behind it waits, and
    when it ends follows without a gap."""

    def __init__(self, cycles: int) -> None:
        self.cycles = cycles
        self.first, self.last = _events()

    def close(self) -> None:
        torch.cuda._sleep(self.cycles)  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        self.first.record()

    def end(self) -> bool:
        self.last.record()
        return not self.first.query()

    def elapsed_ns(self) -> float:
        return float(self.first.elapsed_time(self.last) * 1e6)


class CapturedStep:
    """A call captured in a CUDA graph: how many launches it is, and its replay by a single one.

    Raises RuntimeError where the call cannot be captured.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._graph = torch.cuda.CUDAGraph(keep_graph=True)
        with capture(self._graph):
            self._output = call()  # the graph writes there: its memory must stay
        self.launches = _node_count(self._graph.raw_cuda_graph())
        self._graph.instantiate()
        self.replay: Callable[[], None] = self._graph.replay


@contextlib.contextmanager
def capture(graph: torch.cuda.CUDAGraph) -> Iterator[None]:
    """Within: what is issued to the current device is captured. Raises RuntimeError where that is nothing."""
    stream: Any = torch.cuda.Stream  # untyped upstream
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The CUDA Graph is empty")
        try:
            # A stream of the current device: torch's own default is of the device that was the first to
            # capture, and on any other device the capture would be empty.
            with torch.cuda.graph(graph, stream=stream(torch.cuda.current_device())):
                yield
        except UserWarning as empty:
            raise RuntimeError("nothing was captured") from empty


def _node_count(graph: int) -> int | None:
    """Nodes of a cudaGraph_t; None where the runtime does not tell. torch has no call for it."""
    major = str(torch.version.cuda).partition(".")[0]
    count = ctypes.c_size_t()
    try:
        runtime = ctypes.CDLL(f"libcudart.so.{major}")  # by soname: the one that torch has loaded
        status = runtime.cudaGraphGetNodes(ctypes.c_void_p(graph), None, ctypes.byref(count))
    except (OSError, AttributeError):
        return None
    return count.value if status == 0 else None


class Emulated(Accelerator):
    """A device of an emulated node: takes its time, and computes nothing."""

    computes = False

    def __init__(self, index: int) -> None:
        # A node of devices for which this torch has no kernels is as good as any: none is executed.
        warnings.filterwarnings("ignore", message=r"\s*Found GPU\d+ Emulated")
        super().__init__(index)
        self.kind = "emulated"


def open_device(kind: str, local_rank: int) -> Device:
    """The device of this rank: local_rank is an index among the visible ones, as torchrun means it."""
    if kind == "cpu":
        return Device()
    return Emulated(local_rank) if kind == "emulated" else Accelerator(local_rank)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, the device's or the host's, has run out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_OOM_MESSAGES.search(str(error)))


def _no_wait() -> None:
    pass
