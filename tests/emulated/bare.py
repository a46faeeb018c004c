"""Programs on the emulated node that call its libraries themselves: importing torch would take seconds each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

Own = TypeVar("Own", bound="Program")

# The preloaded libraries' functions are there for whoever asks the process itself. With a device memory of
# 1,000 GB/s, a memset of N thousand bytes takes N nanoseconds; zeros are not written, so it may be of any size.
BARE = """
import ctypes, json, os, sys, time
library = ctypes.CDLL(None)

def allocate(mib):
    at = ctypes.c_void_p()
    return library.cudaMalloc(ctypes.byref(at), ctypes.c_size_t(mib << 20)), at

def work(at, us, stream=None):
    return library.cudaMemsetAsync(at, 0, ctypes.c_size_t(int(us * 1e6)), stream)

def say(*what):
    print(json.dumps(what[0] if len(what) == 1 else what), flush=True)
"""

# Answers a line with what NVML says of the device of that number, as a monitor would see it.
_MONITOR = """
import json, sys, time, pynvml as nvml
nvml.nvmlInit()

def ask(function, *arguments):
    try:
        return function(*arguments)
    except nvml.NVMLError as error:
        return type(error).__name__

for line in sys.stdin:
    device = ask(nvml.nvmlDeviceGetHandleByIndex, int(line))
    if isinstance(device, str):
        print(json.dumps({"lost": device}), flush=True)
        continue
    said = {
        "before_ns": time.monotonic_ns(),
        "energy_mj": ask(nvml.nvmlDeviceGetTotalEnergyConsumption, device),
        "at_ns": time.monotonic_ns(),
        "utilization": ask(nvml.nvmlDeviceGetUtilizationRates, device).gpu,
        "power_mw": ask(nvml.nvmlDeviceGetPowerUsage, device),
        "memory": ask(nvml.nvmlDeviceGetMemoryInfo, device).used,
        "processes": [
            (each.pid, each.usedGpuMemory) for each in nvml.nvmlDeviceGetComputeRunningProcesses(device)
        ],
        "reasons": ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, device),
        "sm_mhz": ask(nvml.nvmlDeviceGetClockInfo, device, nvml.NVML_CLOCK_SM),
        "total": ask(nvml.nvmlDeviceGetMemoryInfo, device).total,
        "uuid": ask(nvml.nvmlDeviceGetUUID, device),
        "bus": ask(nvml.nvmlDeviceGetPciInfo, device).bus,
        "bus_id": ask(nvml.nvmlDeviceGetPciInfo, device).busId,
        "name": ask(nvml.nvmlDeviceGetName, device),
    }
    print(json.dumps(said), flush=True)
"""


class Program:
    """A Python program on the node that lives as long as the block, and prints lines of JSON."""

    def __init__(self, code: str, environment: Mapping[str, str], *arguments: str) -> None:
        # Unbuffered: of what a buffer has taken in behind the line that was asked for, communicate() knows nothing.
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def hears(self) -> Any:
        """What the program prints next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1].decode())
        return json.loads(line)

    def tell(self, what: object = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n".encode())

    def kill(self) -> None:
        """End it as a crash does, with nothing tidied up."""
        self.process.kill()
        self.process.wait()

    def end(self) -> str:
        """Wait for its end, which must be a good one; what else it has printed."""
        out, err = (said.decode() for said in self.process.communicate(timeout=300))
        assert self.process.returncode == 0, out + err
        return out


class Monitor(Program):
    """NVML, as a process sees it that uses no device."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(_MONITOR, environment)

    def look(self, device: int) -> dict[str, Any]:
        self.tell(device)
        return dict(self.hears())
