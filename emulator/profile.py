"""The profile of an emulated node: its values, their checks, and the file that the stand-ins read.

In: values of conf/emulator/. Out: lines of `key value`. Must not know the harness.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# What the stand-ins have room for: MAX_DEVICES in src/node.h.
MOST_DEVICES = 16
# NVML's buffer for a device's name, with the byte that ends it (NVML_DEVICE_NAME_V2_BUFFER_SIZE).
LONGEST_NAME = 95
# How a device's name begins, so that nobody who sees it takes it for a real one.
EMULATED = "Emulated "
ARITHMETICS = ("float64", "float32", "tf32", "float16", "bfloat16")


@dataclass
class Profile:
    """An emulated node. Units in the names; flop_s: dense peak, operations a second per number format.

    gemm_efficiency: share of the peak (and none above it) that a large matrix product reaches.
    launch_host_us: host time of one launch call; launch_latency_us: from the call to the start on an idle
    device; link_*: of a collective over all devices.
    """

    name: str
    devices: int
    compute_capability: str
    sms: int
    sm_clock_mhz: float
    memory_mib: int
    memory_gb_s: float
    flop_s: dict[str, float] = field(default_factory=dict)
    gemm_efficiency: float = 1.0
    launch_host_us: float = 2.5
    launch_latency_us: float = 3.0
    shortest_kernel_us: float = 2.0
    host_copy_gb_s: float = 12.0
    link_latency_us: float = 10.0
    link_gb_s: float = 100.0
    power_idle_w: float = 50.0
    power_full_w: float = 300.0
    utilization_window_ms: float = 1000 / 6


# Key -> the most that it may be: some powers of ten beyond any device, so that what the emulator reckons with stays a
# number, and no time is longer than anybody waits.
_ABOVE_0 = {
    **{"sms": 1e5, "sm_clock_mhz": 1e6, "memory_mib": 1e9, "memory_gb_s": 1e7, "shortest_kernel_us": 1e6},
    **{"host_copy_gb_s": 1e7, "link_gb_s": 1e7, "utilization_window_ms": 6e4, "power_full_w": 1e6},
}
_FROM_0 = {"launch_host_us": 1e6, "launch_latency_us": 1e6, "link_latency_us": 1e6, "power_idle_w": 1e6}
MOST_FLOP_S = 1e20


def problems(profile: Profile) -> list[tuple[str, Any, str]]:
    """What is wrong with a profile: key, value, what is allowed."""
    if found := _of_another_type(profile):
        return found
    if not 1 <= profile.devices <= MOST_DEVICES:
        found.append(("devices", profile.devices, f"1 to {MOST_DEVICES}"))
    named = profile.name.startswith(EMULATED) and profile.name.isprintable()
    if not named or len(profile.name.encode()) > LONGEST_NAME:
        allowed = f"at most {LONGEST_NAME} bytes of printable characters that begin with '{EMULATED}'"
        found.append(("name", profile.name, allowed))
    if not re.fullmatch(r"\d{1,2}\.\d", profile.compute_capability):
        found.append(("compute_capability", profile.compute_capability, "two numbers such as '7.0'"))
    if missing := [name for name in ARITHMETICS if not profile.flop_s.get(name, 0) > 0]:
        found.append(("flop_s", dict(profile.flop_s), f"a number above 0 for each of {', '.join(missing)}"))
    if not 0 < profile.gemm_efficiency <= 1:
        found.append(("gemm_efficiency", profile.gemm_efficiency, "a share, above 0 and at most 1"))
    for key, most in _ABOVE_0.items():
        if not 0 < getattr(profile, key) <= most:
            found.append((key, getattr(profile, key), f"a number above 0 and at most {most:g}"))
    for key, most in _FROM_0.items():
        if not 0 <= getattr(profile, key) <= most:
            found.append((key, getattr(profile, key), f"a number of at least 0 and at most {most:g}"))
    if high := [name for name, each in profile.flop_s.items() if not each <= MOST_FLOP_S]:
        found.append(("flop_s", dict(profile.flop_s), f"at most {MOST_FLOP_S:g} for {', '.join(high)}"))
    return found


def _of_another_type(profile: Profile) -> list[tuple[str, Any, str]]:
    """Values that are not even numbers or text, as they come from a file: YAML reads 1e13 as text."""
    found: list[tuple[str, Any, str]] = []
    for key, value in asdict(profile).items():
        if key in ("name", "compute_capability"):
            fits, allowed = isinstance(value, str), "text, in quotes"
        elif key == "flop_s":
            fits = isinstance(value, dict) and all(_is_number(each) for each in value.values())
            allowed = "a number with a point and a signed exponent, as 1.0e+13, for each format"
        elif key in ("devices", "sms"):
            fits, allowed = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        else:
            fits, allowed = _is_number(value), "a number"
        if not fits:
            found.append((key, value, allowed))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def save(profile: Profile, path: Path) -> None:
    """Write what src/profile.cpp reads; whole or not at all, since processes of the node may be starting."""
    values = asdict(profile)
    major, _, minor = values.pop("compute_capability").partition(".")
    values |= {"capability_major": major, "capability_minor": minor}
    values |= {f"flop_s.{name}": number for name, number in values.pop("flop_s").items()}
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text("".join(f"{key} {value}\n" for key, value in values.items()), encoding="utf-8")
    unfinished.replace(path)
