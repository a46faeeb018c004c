"""An emulated node for the tests: the environment of its processes, and a process on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emulator.__main__ import load_profile
from emulator.build import build
from emulator.environment import node_variables
from emulator.libraries import EmulatorError
from emulator.profile import Profile
from emulator.times.collectives import Protocol
from emulator.times.kernels import ALL_KINDS, KernelTimes
from emulator.times.products import ITEM_BYTES, ProductTimes

LATENCY_US = 20.0
# Round numbers, so that what is modelled can be worked out by hand; no real device has them.
ROUND = Profile(
    name="Emulated test device",
    devices=8,
    compute_capability="8.0",
    sms=64,
    sm_clock_mhz=1000.0,
    memory_mib=4096,
    memory_gb_s=1000.0,
    flop_s={"float64": 5e12, "float32": 1e13, "tf32": 4e13, "float16": 1e14, "bfloat16": 1e14},
    # Of the tiles 64 of 128 x 128 are one wave: products of them run at the peak.
    products={name: ProductTimes(floor_us=1.0) for name in ITEM_BYTES},
    kernels={kind: KernelTimes(floor_us=2.0) for kind in ALL_KINDS},
    launch_host_us=2.0,
    launch_latency_us=5.0,
    shortest_kernel_us=2.0,
    host_copy_gb_s=10.0,
    protocols=[Protocol(base_us=LATENCY_US, hop_us=0.0, gb_s=100.0)],
    link_gb_s=100.0,
    power_idle_w=50.0,
    power_full_w=300.0,
    utilization_window_ms=100.0,
)


@cache
def why_not() -> str | None:
    """Why there can be no emulated node here; None where there can."""
    try:
        build(quiet=True)
    except EmulatorError as error:
        return str(error)
    return None


def require_node() -> None:
    """Skip where no emulated node can be, with the reason; in CI, which installs all it needs, fail."""
    if reason := why_not():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run this: {reason}")
        pytest.skip(reason)


def profile(**changes: Any) -> Profile:
    """The profile of round numbers, with changes."""
    return replace(ROUND, **changes)


def variables(folder: Path, of: Profile = ROUND, **more: str) -> dict[str, str]:
    """The environment of a process on the node whose files are in `folder`."""
    require_node()
    return {**os.environ, **node_variables(of, folder), "PYTHONPATH": _python_path(), **more}


def run(code: str, environment: Mapping[str, str], *arguments: str, timeout: float = 600) -> str:
    """What a Python program prints on the node; fails the test if it does not end well."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compiler() -> str:
    """A C++ compiler, for programs that call the stand-ins without torch."""
    found = os.environ.get("CXX") or shutil.which("g++")
    assert found is not None
    return found


def _python_path() -> str:
    top = Path(__file__).resolve().parents[2]
    return os.pathsep.join([str(top), *filter(None, [os.environ.get("PYTHONPATH")])])


__all__ = [
    "LATENCY_US",
    "ROUND",
    "compiler",
    "load_profile",
    "profile",
    "require_node",
    "run",
    "variables",
    "why_not",
]
