"""What the machine is: for environment.json, for the plan, and for `harness doctor`.

In: the operating system, and torch asked in a process of its own. Out: plain data. Must not
import torch: planning and reporting use it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from ground.children import ask
from harness.core.cpu import usable_cores
from harness.core.emulated import EMULATED
from harness.core.errors import ConfigError, HarnessError
from harness.core.files.places import PACKAGE
from harness.core.files.revision import revision
from harness.core.processes.children import path_variables, python_module
from harness.core.spoilers import spoilers_in
from harness.core.visible import hidden_by
from harness.plan.config import Config
from harness.plan.inventory import Inventory

PACKAGES = ("torch", "hydra-core", "pandas", "numpy", "nvidia-ml-py", "seaborn", "psutil", "scipy")

# Importing torch from a cold disk takes tens of seconds.
PROBE_TIMEOUT_S = 300


def probe_torch(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What torch is and which devices it sees. Raises HarnessError if there is no working torch.

    variables: added to the environment in which it is asked, as the workers will have them.
    """
    environment = {**os.environ, **(variables or {}), **path_variables()}
    try:
        done = ask(python_module("harness.machine.probe"), variables=environment, timeout_s=PROBE_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"torch could not be asked for its devices: {error}") from None
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
        ended = f"exit status {done.returncode}"
        raise HarnessError(f"torch could not be asked for its devices ({ended}): {said[-1]}") from None
    if "error" in found:
        raise HarnessError(f"torch cannot be imported by {sys.executable}: {found['error']}")
    return found


def take_inventory(config: Config, probe: dict[str, Any]) -> Inventory:
    """Which device kind the sweep runs on, and what of it is there.

    Raises ConfigError if CUDA is asked for and there is none.
    """
    # Of other machines, who asks them says how many cores are there.
    cores, devices, asked = probe.get("cores") or usable_cores(), probe["devices"], config.device.kind
    there = config.emulator.devices if config.emulator else nvidia_devices()
    hidden = hidden_by(os.environ, len(devices), there)
    aside = f" ({hidden})" if hidden else ""
    # However the process came to see them: a device that calls itself emulated is never a measured one.
    seen_emulated = bool(devices) and asked != "cpu" and devices[0]["name"].startswith(EMULATED)
    if asked == "emulated" or seen_emulated:
        if not devices:
            why = probe.get("device_error", "it gives no reason")
            raise HarnessError(f"device=emulated: torch sees no device: {why}{aside}")
        return Inventory("emulated", len(devices), devices[0]["name"], cores, explicit=True, hidden=hidden)
    if asked == "cuda" and not devices:
        why = probe.get("device_error") or (
            "torch sees no CUDA device"
            if probe["built_for_cuda"]
            else f"torch {probe['torch']} is a build without CUDA"
        )
        raise ConfigError("device", "cuda", f"cpu or auto on this machine: {why}{aside}")
    if asked == "cuda" or (asked == "auto" and devices):
        name = devices[0]["name"]
        return Inventory("cuda", len(devices), name, cores, explicit=asked == "cuda", hidden=hidden)
    hidden = hidden if asked == "auto" and there else ""  # nothing is hidden where nothing is
    return Inventory("cpu", cores, probe["cpu_name"], cores, explicit=asked == "cpu", hidden=hidden)


def describe_environment(inventory: Inventory, probe: dict[str, Any]) -> dict[str, Any]:
    """All that a reader needs to judge or repeat a run; goes to environment.json."""
    return {
        "time_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "interpreter_lock": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "device_kind": inventory.kind,
        "device_name": inventory.name,
        "devices_present": inventory.count,
        "devices_hidden": inventory.hidden,
        "torch": probe,
        "cpu": {
            "name": probe["cpu_name"],
            "cores_usable": inventory.cores,
            "cores_logical": psutil.cpu_count(),
            "cores_physical": psutil.cpu_count(logical=False),
            "governor": frequency_governor(),
            "load_before": load(),
        },
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "nvidia_driver": None if inventory.kind == "emulated" else nvidia_driver(),
        "source": source_revision(),
        "source_digest": revision(),
        "variables": _variables(),
    }


def _variables() -> dict[str, str]:
    """Those that torch and what it rests on read, and those that distort."""
    known = (
        *("CUDA_", "NVIDIA_VISIBLE", "NCCL_", "GLOO_", "EMULATOR_", "TORCH", "PYTORCH_"),
        *("OMP_", "MKL_", "KMP_", "GOMP_", "PYTHON", "MALLOC_", "LD_PRELOAD", "GLIBC_TUNABLES"),
    )
    distort = spoilers_in(os.environ)
    return {n: value for n, value in sorted(os.environ.items()) if n.startswith(known) or n in distort}


# What must not change between the parts of one run: rows measured apart are laid into one curve.
IDENTITY = ("device_kind", "device_name", "python", "host")


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two environments that makes their figures incomparable, in words."""
    found = [
        f"{key}: {before.get(key)} then, {now[key]} now" for key in IDENTITY if before.get(key) != now[key]
    ]
    recorded = before.get("torch")
    then, here = recorded.get("torch") if isinstance(recorded, dict) else None, now["torch"]["torch"]
    return found + ([f"torch: {then} then, {here} now"] if then != here else [])


def frequency_governor() -> str | None:
    """The frequency governor of the first core, where the kernel tells."""
    try:
        return (
            Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text(encoding="utf-8").strip()
        )
    except OSError:
        return None


def load() -> float:
    """Mean number of processes that wanted a core in the last minute."""
    return os.getloadavg()[0]


def nvidia_driver() -> str | None:
    """Version of NVIDIA's driver, or None where NVML does not answer."""
    version = _of_nvml("nvmlSystemGetDriverVersion")
    return version.decode() if isinstance(version, bytes) else version and str(version)


def nvidia_devices() -> int | None:
    """How many devices NVIDIA's driver has, seen or not; None where NVML does not answer."""
    count = _of_nvml("nvmlDeviceGetCount")
    return None if count is None else int(count)


def _of_nvml(question: str) -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
        try:
            return getattr(pynvml, question)()
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # pynvml raises its own errors, and others where the library is damaged
        return None


def source_revision() -> str | None:
    """The commit the harness runs from, with `+` after it when files were changed since."""

    def git(*arguments: str) -> str:
        done = ask(["git", "-C", str(PACKAGE), *arguments], timeout_s=10)
        done.check_returncode()
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
