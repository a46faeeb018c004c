"""Where the time of a step goes: device, framework, interpreter.

In: the rows of one cell. Out: the parts of each mode's step. Must not know figures or sentences.
What a part means is docs/dispatch-share.md's: the host's time is what the device does not cover; as much of it
as the loop without Python needs as well is the framework's, the rest the interpreter's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.core.schema import REFERENCE_MODE

# `native` runs the scripted model without Python. Where it could not be measured, what runs the same operations
# and enters Python but once a step stands for it; never a mode that fuses or captures operations, since that
# also saves the framework's part, which would then be taken for the interpreter's. Each only where its own record
# says that it needs no Python: a plugin may have taken its name.
SAME_OPERATIONS = ("native", "script", "trace")
GRAPH = "cudagraph"
# What every sweep measures; with no more than these a ladder says what the speed-ups say already.
PLAIN_RUNGS = (REFERENCE_MODE, "script", "trace")


@dataclass(frozen=True)
class Parts:
    """One step in microseconds. device: NaN where host and device are one. framework: host time that the
    reference has as well, on CPU with the arithmetic in it; interpreter: NaN without a reference, and then
    framework is all of the host's time."""

    total: float
    device: float
    framework: float
    interpreter: float


@dataclass(frozen=True)
class Attribution:
    """modes: in the order of the rows. split_by: which of SAME_OPERATIONS splits the host's time, or "".
    on_device: whether the device's time is known. borrowed: modes whose device time is another mode's."""

    modes: dict[str, Parts]
    split_by: str
    on_device: bool
    borrowed: tuple[str, ...] = ()


def _own_device(row: Mapping[Any, Any]) -> float:
    return next((float(row[name]) for name in ("device_us", "replay_us") if row[name] > 0), math.nan)


def attributed(rows: pd.DataFrame) -> Attribution:
    """rows: one cell of a tidy table; modes without a time are left out."""
    good = rows[rows["ok"] & (rows["step_us"] > 0)].drop_duplicates("mode")
    records: dict[str, dict[Any, Any]] = {row["mode"]: row for row in good.to_dict("records")}
    split_by = next((m for m in SAME_OPERATIONS if m in records and records[m]["python_free"]), "")
    devices = {mode: _own_device(row) for mode, row in records.items()}
    # A mode without a device time of its own computes the same: that of the mode it is split by stands for it, or any
    # other's, or the step of the graph, in which next to nothing is left of the host.
    known = [time for time in (devices.get(split_by, math.nan), *devices.values()) if not math.isnan(time)]
    fallback = (known or [float(records[GRAPH]["step_us"]) if GRAPH in records else math.nan])[0]
    if (good["device_kind"] == "cpu").any():
        fallback = math.nan
        devices = dict.fromkeys(devices, math.nan)
    borrowed = tuple(mode for mode, time in devices.items() if math.isnan(time) and not math.isnan(fallback))
    devices |= dict.fromkeys(borrowed, fallback)
    totals = {mode: float(row["step_us"]) for mode, row in records.items()}
    # min(NaN, x) is NaN: where no device time is known, all of a step is the host's.
    devices = {mode: min(time, totals[mode]) for mode, time in devices.items()}
    hosts = {m: totals[m] - (0.0 if math.isnan(devices[m]) else devices[m]) for m in totals}
    needed = {mode: min(host, hosts.get(split_by, host)) for mode, host in hosts.items()}
    modes = {
        mode: Parts(totals[mode], devices[mode], needed[mode], host - needed[mode] if split_by else math.nan)
        for mode, host in hosts.items()
    }
    return Attribution(modes, split_by, not math.isnan(fallback), borrowed)


def is_ladder(rows: pd.DataFrame) -> bool:
    """Whether eager was measured beside a rung that is not in every sweep."""
    modes = set(rows.loc[rows["ok"] & (rows["step_us"] > 0), "mode"])
    return REFERENCE_MODE in modes and bool(modes - set(PLAIN_RUNGS))
