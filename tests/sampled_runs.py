"""Samples beside the run directories of raw_runs: devices of known utilisation, power and energy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raw_runs import RawRun, cell_of

from harness.plan.points import Cell

GPUS = tuple(f"GPU-{number:08x}-0000-4000-8000-000000000000" for number in range(8))
HZ = 20.0
PERIOD_NS = round(1e9 / HZ)

# What a device says at a time (ns): keys of its sample; None while it is lost.
Says = Callable[[int], "dict[str, Any] | None"]


def identity(number: int) -> dict[str, str]:
    """A device as a rank names it."""
    return {"uuid": GPUS[number], "pci": f"00000000:{number + 1:02X}:00.0"}


class Sampler:
    """Writes monitor/node-0.jsonl, a line at a time."""

    def __init__(
        self,
        run: Path,
        devices: Sequence[int] = (0,),
        about: Mapping[int, Mapping[str, Any]] | None = None,
        node: int = 0,
        **said: Any,
    ) -> None:
        """devices: their numbers, in the sampler's order; about, said: what differs in their and the first line."""
        folder = run / "monitor"
        folder.mkdir(exist_ok=True)
        self.path, self.devices = folder / f"node-{node}.jsonl", tuple(devices)
        usual = {"name": "Test device", "utilization_period_ms": 100.0, "unsupported": {}, "others": []}
        each = [{**identity(number), **usual, **(about or {}).get(number, {})} for number in devices]
        first = {"node": node, "host": "here", "hz": HZ, "cores": 64, "why": None, "devices": each}
        self.write("node", **{**first, **said})

    def write(self, kind: str, **fields: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"type": kind, **fields}) + "\n")

    def sample(self, start_ns: int, end_ns: int, says: Mapping[int, Says]) -> None:
        """Samples over that time; says: of each device by its number."""
        with self.path.open("a") as file:
            for t_ns in range(start_ns, end_ns + 1, PERIOD_NS):
                devices = [says[number](t_ns) for number in self.devices]
                file.write(json.dumps({"type": "sample", "t_ns": t_ns, "devices": devices}) + "\n")


def steady(util: float = 50.0, watts: float = 200.0, **more: Any) -> Says:
    """A device that does the same all the time, with a counter of its energy; a key of None is not sampled."""

    def says(t_ns: int) -> dict[str, Any]:
        sample = {
            "util": util,
            "power_w": watts,
            "energy_j": watts * t_ns / 1e9,
            "throttle": ["idle"],
            **more,
        }
        return {name: value for name, value in sample.items() if value is not None}

    return says


def sampled_run(
    directory: Path,
    says: Mapping[int, Says],
    *,
    cells: Sequence[Cell] | None = None,
    drives: Sequence[Sequence[int]] = ((0,),),
    device_ns: float = 1500.0,
    window_s: float = 1.0,
    sampler: bool = True,
    **said: Any,
) -> RawRun:
    """A run of one session, each rank driving the devices in `drives`; every mode is held for a window.

    A step takes 3 us in eager and 1 us in script, a window has 1,000 steps. The sampler's devices are those of
    `says`, in that order; said: of the sampler.
    """
    raw = RawRun(directory, device_kind="cuda")
    cells = cells or [cell_of(devices=sum(map(len, drives)))]
    raw.plan(*cells)
    first = raw.now_ns
    each = [
        {"host": "here", "pid": 100 + rank, "devices": [identity(number) for number in own]}
        for rank, own in enumerate(drives)
    ]
    writers = raw.begin("s", len(drives), each)
    for cell in cells:
        raw.measure(writers, cell, extra={"device_ns": device_ns})
        for point in cell.points:
            if window_s:
                raw.hold(writers, cell, point.mode, seconds=window_s)
    for writer in writers:
        writer.close()
    if sampler:
        Sampler(directory, tuple(says), **said).sample(first - PERIOD_NS, raw.now_ns + PERIOD_NS, says)
    return raw
