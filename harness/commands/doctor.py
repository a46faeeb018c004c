"""`harness doctor`: what this machine is, and what will limit a measurement on it, each with advice.

In: the environment. Out: text, or JSON. Changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.machine.environment import describe_environment, probe_torch, take_inventory
from harness.monitor import inspect
from harness.plan.config import Config

# A machine with more waiting processes than this share of its cores disturbs what is measured on it.
BUSY_LOAD = 0.25


@dataclass(frozen=True)
class Finding:
    """Something that limits or spoils a measurement, and what to do about it."""

    what: str
    advice: str


def doctor(*, as_json: bool = False) -> int:
    """Print the environment, the devices and the findings. Answers the exit status, 0.

    Raises HarnessError if there is no working torch.
    """
    probe = probe_torch()
    environment = describe_environment(take_inventory(Config(), probe), probe)
    environment["nvml"] = inspect.look()
    if as_json:
        print(json.dumps(environment, indent=2))
        return 0
    console = Console(soft_wrap=True, highlight=False)
    console.print(_facts(environment))
    found = list(examine(environment))
    if not found:
        console.print("Nothing found that would limit a measurement.")
    for finding in found:
        console.print(f"[bold]{escape(finding.what)}[/bold]\n  {escape(finding.advice)}")
    return 0


def examine(environment: dict[str, Any]) -> Iterator[Finding]:
    """What limits a measurement in this environment (as describe_environment made it)."""
    cpu, torch = environment["cpu"], environment["torch"]
    cores = cpu["cores_usable"]
    if environment["device_kind"] == "cpu":
        yield Finding(
            f"No CUDA device: ranks run on {cores} CPU cores over gloo.",
            "A CPU core is host and device in one, so issue time, device time and the devices one thread can "
            "feed cannot be told; the share of Python is measured against the fastest mode without it.",
        )
        if torch.get("device_error"):
            yield Finding(
                f"torch could not look for devices: {torch['device_error']}",
                "Mend that first: check the driver, its version, and that this user may open the devices.",
            )
        if torch["built_for_cuda"] is None:
            yield Finding(
                f"torch {torch['torch']} is a build without CUDA.",
                "On a machine with a GPU install a CUDA build, or device=cuda will be refused.",
            )
        elif environment["nvidia_driver"]:
            yield Finding(
                f"NVIDIA's driver {environment['nvidia_driver']} answers, but torch sees no device.",
                "Check CUDA_VISIBLE_DEVICES, and that the driver is new enough for CUDA "
                f"{torch['built_for_cuda']}.",
            )
        yield Finding(
            f"More than {cores} ranks oversubscribe the cores.",
            f"Keep devices x device.threads at {cores} or less; beyond that rows carry `oversubscribed`.",
        )
    elif environment["devices_present"] > cores:
        yield Finding(
            f"{environment['devices_present']} devices share {cores} cores.",
            "A rank per device needs a core of its own to issue work; ask for more cores.",
        )
    names = {device["name"] for device in torch["devices"]}
    if len(names) > 1:
        yield Finding(
            f"Devices differ: {', '.join(sorted(names))}.",
            "The slowest sets the pace of a session; choose equal ones with CUDA_VISIBLE_DEVICES.",
        )
    if cpu["load_before"] > BUSY_LOAD * cores:
        yield Finding(
            f"The machine is busy: load {cpu['load_before']:.2f} on {cores} cores.",
            "Measure when it is idle, or expect the warning `noisy`.",
        )
    if cpu["governor"] not in (None, "performance"):
        yield Finding(
            f"The frequency governor is {cpu['governor']}.",
            "Clocks will move while it is measured: cpupower frequency-set -g performance.",
        )
    logical, physical = cpu["cores_logical"], cpu["cores_physical"]
    if logical and physical and logical > physical:
        yield Finding(
            f"{logical} logical cores are {physical} physical ones.",
            "Two ranks on the two threads of one core slow each other; use one thread per core (taskset).",
        )
    if cores < (logical or cores):
        yield Finding(
            f"Only {cores} of {logical} cores may be used (affinity or container quota).",
            "Ranks are placed on those alone; raise the limit for more devices.",
        )
    yield from _examine_nvml(environment)
    if not environment["interpreter_lock"]:
        yield Finding(
            "This Python runs without the interpreter lock.",
            "Its eager figures are not those of ordinary builds; reports say which was used.",
        )


def _examine_nvml(environment: dict[str, Any]) -> Iterator[Finding]:
    seen = environment["nvml"]
    for what, advice in inspect.advise(seen):
        yield Finding(what, advice)
    if environment["device_kind"] != "cpu" and not seen["devices"]:
        yield Finding(
            f"NVML shows no device: {seen['why'] or 'it gives no reason'}.",
            "Utilisation, power and energy stay empty, and nobody sees who else uses a device; see docs/monitor.md.",
        )
    elif seen["devices"] and seen["why"]:
        yield Finding(f"NVML: {seen['why']}.", "Look at dmesg for Xid errors; a restart may bring it back.")


def _nvml(seen: dict[str, Any]) -> str:
    return f"NVML {seen['nvml']}" if seen["nvml"] else f"NVML does not answer: {seen['why']}"


def _facts(environment: dict[str, Any]) -> Table:
    cpu, torch = environment["cpu"], environment["torch"]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        ("host", environment["host"]),
        ("system", environment["system"]),
        ("python", f"{environment['python']} ({environment['python_implementation']})"),
        ("torch", f"{torch['torch']}, built for CUDA {torch['built_for_cuda'] or '- (no)'}"),
        ("processor", f"{cpu['name']}, {cpu['cores_usable']} of {cpu['cores_logical']} cores usable"),
        ("memory", f"{environment['memory_mib'] / 1024:.1f} GiB"),
        ("driver", environment["nvidia_driver"] or _nvml(environment["nvml"])),
        ("sweeps run on", f"{environment['device_kind']} ({environment['devices_present']} present)"),
    ]
    rows += [
        (f"device {index}", f"{d['name']}, {d['memory_mib'] / 1024:.0f} GiB, capability {d['capability']}")
        for index, d in enumerate(torch["devices"])
    ]
    rows += inspect.rows(environment["nvml"])
    for name, value in rows:
        table.add_row(name, escape(str(value)))
    return table
