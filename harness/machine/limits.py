"""What limits or spoils a measurement on this machine, and what to do about it.

In: an environment, as describe_environment made it, with what NVML shows. Out: Limits, the gravest first. Must not know
how any of it was found out, nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.core.cpu_time import LOADED_SHARE
from harness.core.spoilers import told

# A machine with more waiting processes than this share of its cores disturbs what is measured on it.
BUSY_LOAD = 0.25


@dataclass(frozen=True)
class Limit:
    """Something that limits or spoils a measurement, and what to do about it."""

    what: str
    advice: str


def examine(environment: dict[str, Any], of_devices: Iterable[tuple[str, str]] = ()) -> Iterator[Limit]:
    """What limits a measurement in this environment; `nvml` in it is what NVML shows.

    of_devices: what is wrong with single devices, each with advice.
    """
    kind = environment["device_kind"]
    yield from _without_devices(environment) if kind == "cpu" else _too_many_devices(environment)
    if hidden := environment.get("devices_hidden"):
        yield Limit(f"{hidden}.", "Unset it, or name the devices that are meant by their numbers or UUIDs.")
    yield from _unlike_devices(environment["torch"])
    yield from _disturbed(environment["cpu"])
    for what, does in told(environment.get("variables", {})):
        yield Limit(
            f"{what}.", f"{does[0].upper()}{does[1:]}. Unset it, or read what it does into every figure."
        )
    yield from _fewer_cores(environment["cpu"])
    for what, advice in of_devices:
        yield Limit(what, advice)
    yield from _unseen_devices(kind, environment["nvml"])
    if not environment["interpreter_lock"]:
        yield Limit(
            "This Python runs without the interpreter lock.",
            "Its eager figures are not those of ordinary builds; reports say which was used.",
        )


def _without_devices(environment: dict[str, Any]) -> Iterator[Limit]:
    cores = environment["cpu"]["cores_usable"]
    yield Limit(
        f"No CUDA device: ranks run on {cores} CPU cores over gloo.",
        "A CPU core is host and device in one, so issue time, device time and the devices one thread can "
        "feed cannot be told; the share of Python is measured against the fastest mode without it.",
    )
    yield from _why_without(environment["torch"], environment["nvidia_driver"])
    yield Limit(
        f"More than {cores} ranks oversubscribe the cores.",
        f"Keep devices x device.threads at {cores} or less; beyond that rows carry `oversubscribed`.",
    )


def _why_without(torch: dict[str, Any], driver: str | None) -> Iterator[Limit]:
    if torch.get("device_error"):
        yield Limit(
            f"torch could not look for devices: {torch['device_error']}",
            "Mend that first: check the driver, its version, and that this user may open the devices.",
        )
    if torch["built_for_cuda"] is None:
        yield Limit(
            f"torch {torch['torch']} is a build without CUDA.",
            "On a machine with a GPU install a CUDA build, or device=cuda will be refused.",
        )
    elif driver:
        yield Limit(
            f"NVIDIA's driver {driver} answers, but torch sees no device.",
            f"Check CUDA_VISIBLE_DEVICES, and that the driver is new enough for CUDA {torch['built_for_cuda']}.",
        )


def _too_many_devices(environment: dict[str, Any]) -> Iterator[Limit]:
    devices, cores = environment["devices_present"], environment["cpu"]["cores_usable"]
    if devices > cores:
        yield Limit(
            f"{devices} devices share {cores} cores.",
            "A rank per device needs a core of its own to issue work; ask for more cores.",
        )


def _unlike_devices(torch: dict[str, Any]) -> Iterator[Limit]:
    names = {device["name"] for device in torch["devices"]}
    if len(names) > 1:
        yield Limit(
            f"Devices differ: {', '.join(sorted(names))}.",
            "The slowest sets the pace of a session; choose equal ones with CUDA_VISIBLE_DEVICES.",
        )


def _disturbed(cpu: dict[str, Any]) -> Iterator[Limit]:
    """What makes the same step take another time."""
    cores = cpu["cores_usable"]
    share = cpu.get("others_share")
    if share is not None and share >= LOADED_SHARE:
        yield Limit(
            f"Other programs use {100 * share:.0f} % of the cores.",
            "End them before a sweep, or rows carry `loaded`, their intervals are wide and their step times long.",
        )
    if cpu["load_before"] > BUSY_LOAD * cores:
        yield Limit(
            f"The machine is busy: load {cpu['load_before']:.2f} on {cores} cores.",
            "Measure when it is idle, or expect the warning `noisy`.",
        )
    if cpu["governor"] not in (None, "performance"):
        yield Limit(
            f"The frequency governor is {cpu['governor']}.",
            "Clocks will move while it is measured: cpupower frequency-set -g performance.",
        )


def _fewer_cores(cpu: dict[str, Any]) -> Iterator[Limit]:
    """Where there are fewer cores than there seem to be."""
    cores, logical, physical = cpu["cores_usable"], cpu["cores_logical"], cpu["cores_physical"]
    if logical and physical and logical > physical:
        yield Limit(
            f"{logical} logical cores are {physical} physical ones.",
            "Two ranks on the two threads of one core slow each other; use one thread per core (taskset).",
        )
    if cores < (logical or cores):
        yield Limit(
            f"Only {cores} of {logical} cores may be used (affinity or container quota).",
            "Ranks are placed on those alone; raise the limit for more devices.",
        )


def _unseen_devices(kind: str, seen: dict[str, Any]) -> Iterator[Limit]:
    """Devices that NVML does not show."""
    if kind != "cpu" and not seen["devices"]:
        yield Limit(
            f"NVML shows no device: {seen['why'] or 'it gives no reason'}.",
            "Utilisation, power and energy stay empty, and nobody sees who else uses a device; see docs/monitor.md.",
        )
    elif seen["devices"] and seen["why"]:
        yield Limit(f"NVML: {seen['why']}.", "Look at dmesg for Xid errors; a restart may bring it back.")
