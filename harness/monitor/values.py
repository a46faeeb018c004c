"""What is asked of a device: one function of pynvml each, and its answer as plain data.

In: the module pynvml and a device's handle. Out: values in the units of their names; NVML's errors pass through.
Must
not know files or points. Only the border, nvml.py, calls these.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

# NVML's words for why a clock is lower than it could be (nvml.h, nvmlClocksEventReasons), bit for bit.
REASONS = {
    0x001: "idle",
    0x002: "applications_clocks",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake",
    0x100: "display_clocks",
    0x200: "board_limit",
    0x400: "reliability",
}

# What of nvmlDeviceGetSamples is asked for the period of.
_POWER_SAMPLES, _UTILIZATION_SAMPLES = 0, 1
_NO_VALUE = 0xFFFFFFFF


def utilization(lib: Any, handle: Any) -> int:
    return int(lib.nvmlDeviceGetUtilizationRates(handle).gpu)


def memory(lib: Any, handle: Any) -> float:
    return float(round(lib.nvmlDeviceGetMemoryInfo(handle).used / 2**20, 1))


def sm_clock(lib: Any, handle: Any) -> int:
    return int(lib.nvmlDeviceGetClockInfo(handle, lib.NVML_CLOCK_SM))


def mem_clock(lib: Any, handle: Any) -> int:
    return int(lib.nvmlDeviceGetClockInfo(handle, lib.NVML_CLOCK_MEM))


def power(lib: Any, handle: Any) -> float:
    return float(lib.nvmlDeviceGetPowerUsage(handle) / 1e3)


def energy(lib: Any, handle: Any) -> float:
    return float(lib.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)


def temperature(lib: Any, handle: Any) -> int:
    return int(lib.nvmlDeviceGetTemperature(handle, lib.NVML_TEMPERATURE_GPU))


def throttle(lib: Any, handle: Any) -> list[str]:
    # Under its older name while there is one: drivers before 535 have no other.
    name = "nvmlDeviceGetCurrentClocksThrottleReasons"
    reasons = getattr(lib, name, lib.nvmlDeviceGetCurrentClocksEventReasons)(handle)
    return [word for bit, word in REASONS.items() if reasons & bit] if reasons else []


def pcie_tx(lib: Any, handle: Any) -> int:
    return int(lib.nvmlDeviceGetPcieThroughput(handle, lib.NVML_PCIE_UTIL_TX_BYTES))


def pcie_rx(lib: Any, handle: Any) -> int:
    return int(lib.nvmlDeviceGetPcieThroughput(handle, lib.NVML_PCIE_UTIL_RX_BYTES))


def processes(lib: Any, handle: Any) -> list[int]:
    return [each.pid for each in lib.nvmlDeviceGetComputeRunningProcesses(handle)]


def power_limit(lib: Any, handle: Any) -> float:
    return float(lib.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3)


def periods(lib: Any, handle: Any) -> dict[str, float]:
    """How often utilisation and power change, in seconds, by the driver's own record of them."""
    periods = {}
    for name, kind in (("utilization", _UTILIZATION_SAMPLES), ("power", _POWER_SAMPLES)):
        try:
            _, samples = lib.nvmlDeviceGetSamples(handle, kind, 0)
        except lib.NVMLError:
            continue
        stamps = sorted({sample.timeStamp for sample in samples if sample.timeStamp})
        gaps = sorted(later - earlier for earlier, later in pairwise(stamps))
        if gaps:
            periods[name] = gaps[len(gaps) // 2] / 1e6
    return periods


def settings(lib: Any, handle: Any) -> dict[str, Any]:
    """What somebody has set on the device and a measurement depends on; what it does not tell is None."""

    def told(function: str, *arguments: Any) -> Any:
        try:
            value = getattr(lib, function)(handle, *arguments)
        except lib.NVMLError:
            return None
        return None if value == _NO_VALUE else value

    ecc, mig = told("nvmlDeviceGetEccMode"), told("nvmlDeviceGetMigMode")
    limit, default = (
        told("nvmlDeviceGetEnforcedPowerLimit"),
        told("nvmlDeviceGetPowerManagementDefaultLimit"),
    )
    return {
        "sm_mhz": told("nvmlDeviceGetClockInfo", lib.NVML_CLOCK_SM),
        "sm_max_mhz": told("nvmlDeviceGetMaxClockInfo", lib.NVML_CLOCK_SM),
        "sm_application_mhz": told("nvmlDeviceGetApplicationsClock", lib.NVML_CLOCK_SM),
        "mem_mhz": told("nvmlDeviceGetClockInfo", lib.NVML_CLOCK_MEM),
        "mem_max_mhz": told("nvmlDeviceGetMaxClockInfo", lib.NVML_CLOCK_MEM),
        "power_limit_w": limit and limit / 1e3,
        "power_default_w": default and default / 1e3,
        "temp_c": told("nvmlDeviceGetTemperature", lib.NVML_TEMPERATURE_GPU),
        "persistence": told("nvmlDeviceGetPersistenceMode"),
        "compute_mode": told("nvmlDeviceGetComputeMode"),
        "ecc": ecc and ecc[0],
        "ecc_pending": ecc and ecc[1],
        "mig": mig and mig[0],
    }


# By the names under which the border is asked.
VALUES: dict[str, Callable[[Any, Any], Any]] = {
    "utilization": utilization,
    "memory": memory,
    "sm_clock": sm_clock,
    "mem_clock": mem_clock,
    "power": power,
    "energy": energy,
    "temperature": temperature,
    "throttle": throttle,
    "pcie_tx": pcie_tx,
    "pcie_rx": pcie_rx,
    "processes": processes,
    "power_limit": power_limit,
    "periods": periods,
    "settings": settings,
}
