"""The command `harness doctor`: what this machine is, and what will limit a measurement on it, each with advice.

In: arguments. Out: text, or JSON. Changes nothing. Must not know what limits a measurement.
"""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.machine.environment import describe_environment, probe_torch, take_inventory
from harness.machine.limits import examine
from harness.machine.others import share_of_others_now
from harness.monitor import inspect
from harness.plan.config import Config


def doctor(*, as_json: bool = False) -> int:
    """Print the environment, the devices and what limits a measurement. Answers the exit status, 0.

    Raises HarnessError if there is no working torch.
    """
    probe = probe_torch()
    environment = describe_environment(take_inventory(Config(), probe), probe)
    environment["nvml"] = inspect.look()
    environment["cpu"]["others_share"] = share_of_others_now()
    if as_json:
        print(json.dumps(environment, indent=2))
        return 0
    console = Console(soft_wrap=True, highlight=False)
    console.print(_facts(environment))
    limits = list(examine(environment, inspect.advise(environment["nvml"])))
    if not limits:
        console.print("Nothing found that would limit a measurement.")
    for limit in limits:
        console.print(f"[bold]{escape(limit.what)}[/bold]\n  {escape(limit.advice)}")
    return 0


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
