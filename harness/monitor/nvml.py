"""The border to NVML: every call of pynvml that the harness makes while it samples stands here.

In: nothing. Out: the devices of this node, and what NVML says of one. Every refusal leaves as Refused, with its
kind; values.py has the calls themselves. Must not know rates, files or processes; makes no CUDA context.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from harness.monitor.values import VALUES

Kind = Literal["unsupported", "denied", "lost", "error"]

# Metrics of nvmlGpmMetricsGet, all in per cent.
_GPM = {2: "sm_active", 3: "sm_occupancy", 10: "dram_active"}
# "The interval between these two nvmlGpmSampleGet() calls should be greater than 100 ms" (nvml.h).
GPM_APART_S = 0.1

NO_MIG = {
    "utilization": "NVML tells no utilisation of a MIG instance",
    "power": "power is that of the whole device",
    "energy": "energy is that of the whole device",
}


class Refused(Exception):
    """NVML does not answer. kind: unsupported or denied for good; lost: the device is gone; error: anything."""

    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(why)
        self.kind: Kind = kind


class NoNvml(Exception):
    """There is no NVML here; the message says why."""


@dataclass(frozen=True)
class Found:
    """A device of this node. instance: number of the GPU instance that a MIG instance is part of."""

    handle: Any
    uuid: str
    pci: str
    name: str
    mig: bool = False
    parent: Any = None
    instance: int | None = None


class Nvml:
    """An initialised NVML. Raises NoNvml where there is none.

    lost: what was said instead of a device that NVML counts but does not give.
    """

    def __init__(self) -> None:
        try:
            self._lib: Any = importlib.import_module("pynvml")
            self._lib.nvmlInit()
        except ImportError as error:
            raise NoNvml(f"the module pynvml (package nvidia-ml-py) is missing: {error}") from None
        except Exception as error:  # besides NVMLError, what a damaged library raises
            raise NoNvml(f"NVML does not start: {_said(error)}") from None
        self._refusals = {
            self._lib.NVML_ERROR_NOT_SUPPORTED: "unsupported",
            self._lib.NVML_ERROR_FUNCTION_NOT_FOUND: "unsupported",
            # nvml.h of drivers older than this pynvml answers so to a structure that they do not know.
            self._lib.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: "unsupported",
            self._lib.NVML_ERROR_NO_PERMISSION: "denied",
            self._lib.NVML_ERROR_GPU_IS_LOST: "lost",
            self._lib.NVML_ERROR_RESET_REQUIRED: "lost",
        }
        self.lost: list[str] = []

    @property
    def version(self) -> str:
        try:
            return _text(self._lib.nvmlSystemGetNVMLVersion())
        except self._lib.NVMLError:
            return "unknown"

    def devices(self) -> list[Found]:
        """All devices of the node, whatever CUDA_VISIBLE_DEVICES says; of a split one its MIG instances too."""
        found: list[Found] = []
        for index in range(self._call(self._lib.nvmlDeviceGetCount)):
            try:
                device = self._described(self._call(self._lib.nvmlDeviceGetHandleByIndex, index))
                found += [device, *self._instances(device)]
            except Refused as refusal:
                self.lost.append(f"device {index} of NVML: {refusal}")
        return found

    def again(self, device: Found) -> Found:
        """A device that was lost, if it is there again. Raises Refused."""
        return self._described(self._call(self._lib.nvmlDeviceGetHandleByUUID, device.uuid))

    def ask(self, what: str, device: Found) -> Any:
        """What NVML says of a device. Raises Refused."""
        if device.mig and what in NO_MIG:
            raise Refused("unsupported", NO_MIG[what])
        return self._call(VALUES[what], self._lib, device.handle)

    def gpm(self, device: Found) -> Callable[[], dict[str, float]]:
        """A function that answers SM activity, occupancy and DRAM activity since it was called last, in per cent.

        The very first time it answers nothing. From Hopper on; raises Refused elsewhere.
        """
        lib = self._lib
        if not self._call(lib.nvmlGpmQueryDeviceSupport, device.parent or device.handle).isSupportedDevice:
            raise Refused("unsupported", "GPM is there from Hopper on")
        samples = [self._call(lib.nvmlGpmSampleAlloc) for _ in range(2)]
        asked = lib.c_nvmlGpmMetricsGet_t()  # 20 kB: made once
        taken, last = 0, 0.0

        def read() -> dict[str, float]:
            nonlocal taken, last
            if time.monotonic() - last < GPM_APART_S:
                return {}
            newest, before = samples[taken % 2], samples[(taken + 1) % 2]
            if device.instance is None:
                self._call(lib.nvmlGpmSampleGet, device.handle, newest)
            else:
                self._call(lib.nvmlGpmMigSampleGet, device.parent, device.instance, newest)
            taken, last = taken + 1, time.monotonic()
            if taken == 1:
                return {}
            asked.version, asked.numMetrics = lib.NVML_GPM_METRICS_GET_VERSION, len(_GPM)
            asked.sample1, asked.sample2 = before, newest
            for place, metric in enumerate(_GPM):
                asked.metrics[place].metricId = metric
            self._call(lib.nvmlGpmMetricsGet, asked)
            told = zip(asked.metrics[: len(_GPM)], _GPM.values(), strict=True)
            return {name: round(metric.value, 2) for metric, name in told if metric.nvmlReturn == 0}

        return read

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._lib.NVMLError as error:
            kind: Any = self._refusals.get(error.value, "error")
            raise Refused(kind, _said(error)) from None
        except Exception as error:  # of pynvml itself, as over a name that is no text
            raise Refused("error", f"{type(error).__name__}: {error}") from None

    def _described(self, handle: Any) -> Found:
        lib = self._lib
        return Found(
            handle,
            _text(self._call(lib.nvmlDeviceGetUUID, handle)),
            _text(self._call(lib.nvmlDeviceGetPciInfo, handle).busId),
            _text(self._call(lib.nvmlDeviceGetName, handle)),
        )

    def _instances(self, device: Found) -> list[Found]:
        lib, found = self._lib, []
        try:
            if not self._call(lib.nvmlDeviceGetMigMode, device.handle)[0]:
                return []
            for number in range(self._call(lib.nvmlDeviceGetMaxMigDeviceCount, device.handle)):
                try:
                    handle = self._call(lib.nvmlDeviceGetMigDeviceHandleByIndex, device.handle, number)
                    uuid = _text(self._call(lib.nvmlDeviceGetUUID, handle))
                    name = _text(self._call(lib.nvmlDeviceGetName, handle))
                    instance = self._call(lib.nvmlDeviceGetGpuInstanceId, handle)
                except Refused:
                    continue  # places for instances that nobody has made
                found.append(Found(handle, uuid, device.pci, name, True, device.handle, instance))
        except Refused:
            pass  # generations before MIG
        return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
