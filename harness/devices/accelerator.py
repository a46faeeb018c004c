"""One accelerator of this node, real or emulated.

In: an index among the visible ones. Out: a Device. This room holds every call to CUDA that torch has no generic name
for, so that modes, workloads and the worker have none. Must not know modes, cells or records.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch

from harness.devices.cuda_graph import CudaGraphStep
from harness.devices.device import CapturedStep, Device
from harness.devices.hold_kernel import HoldKernel, cycles_per_ns
from harness.devices.launch_queue import steps_that_fit
from harness.timing.bursts import Gate

# Cells are kept for later visits while what is taken of the device's memory is so little that the next cell hardly
# misses it.
CROWDED_DEVICE = 0.125


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
        self._taken_before = 0
        self._cycles_per_ns = 0.0
        # Fixed, so that float32 means float32 on every generation of GPUs.
        torch.backends.cuda.matmul.allow_tf32 = False

    # torch.accelerator has memory statistics from 2.9 on only, and no name: CUDA's own calls, kept here.
    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.torch_device)

    def identity(self) -> dict[str, str]:
        properties = torch.cuda.get_device_properties(self.torch_device)
        identity = {"uuid": f"GPU-{properties.uuid}"}
        if hasattr(properties, "pci_bus_id"):  # not in every version that is supported
            domain, bus, slot = (
                getattr(properties, f"pci_{part}_id") for part in ("domain", "bus", "device")
            )
            identity["pci"] = f"{domain:08X}:{bus:02X}:{slot:02X}.0"
        return identity

    def reset_peak_memory(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.torch_device)

    def begin_cell(self) -> None:
        self._taken_before = torch.cuda.memory_allocated(self.torch_device)

    def peak_memory_mib(self) -> float | None:
        return (torch.cuda.max_memory_allocated(self.torch_device) - self._taken_before) / 2**20

    def tensor_peak_bytes(self, call: Callable[[], Any]) -> int:
        # By the caching allocator, which is told when a tensor is freed by the host, not when the device is done.
        before = torch.cuda.memory_allocated(self.torch_device)
        torch.cuda.reset_peak_memory_stats(self.torch_device)
        call()
        return torch.cuda.max_memory_allocated(self.torch_device) - before

    def free_cached_memory(self) -> None:
        torch.cuda.empty_cache()

    def is_crowded(self) -> bool:
        total = torch.cuda.get_device_properties(self.torch_device).total_memory
        taken = torch.cuda.memory_allocated(self.torch_device)
        return super().is_crowded() or taken > CROWDED_DEVICE * total

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
        return CudaGraphStep(call)

    def gate(self, hold_ns: float) -> Gate:
        self._cycles_per_ns = self._cycles_per_ns or cycles_per_ns(self.wait)
        return HoldKernel(int(hold_ns * self._cycles_per_ns))

    def burst_steps(self, launches: int) -> int | None:
        return steps_that_fit(launches)


class Emulated(Accelerator):
    """A device of an emulated node: takes its time, and computes nothing."""

    computes = False

    def __init__(self, index: int) -> None:
        # A node of devices for which this torch has no kernels is as good as any: none is executed.
        warnings.filterwarnings("ignore", message=r"\s*Found GPU\d+ Emulated")
        super().__init__(index)
        self.kind = "emulated"
