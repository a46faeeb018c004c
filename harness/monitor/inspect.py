"""What `harness doctor` says of the devices by NVML: how each is set, who uses it, and what to change first.

In: NVML. Out: plain data, and findings with advice. Changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.monitor.family import UNKNOWN, Family
from harness.monitor.nvml import Found, NoNvml, Nvml, Refused
from harness.monitor.watch import Border

# nvml.h: nvmlComputeMode_t.
_PROHIBITED = 2
# Reasons that are in the nature of an idle device, or that somebody has chosen.
HARMLESS = {"idle", "applications_clocks", "display_clocks"}


def look(border: Border | None = None) -> dict[str, Any]:
    """nvml: its version, or null with `why`; devices: of each its identity, settings, reasons and users."""
    try:
        border = border or Nvml()
        found = border.devices()
    except (NoNvml, Refused) as error:
        return {"nvml": None, "why": str(error), "devices": []}
    family = Family(os.getpid())
    family.refresh()
    devices = [_described(border, each, family) for each in found]
    return {"nvml": border.version, "why": "; ".join(border.lost) or None, "devices": devices}


def _described(border: Border, device: Found, family: Family) -> dict[str, Any]:
    said: dict[str, Any] = {
        "uuid": device.uuid,
        "pci": device.pci,
        "name": device.name,
        "is_instance": device.mig,
    }
    for name in ("settings", "throttle", "processes"):
        try:
            said[name] = border.ask(name, device)
        except Refused as refusal:
            said[name] = None
            said.setdefault("refused", {})[name] = str(refusal)
    pids = said.pop("processes")
    others = None if pids is None else family.others(pids)
    said["users"] = None if others is None else [{"pid": pid, "name": _name(pid)} for pid in others]
    if pids and others is None:
        said.setdefault("refused", {})["users"] = UNKNOWN
    return said


def _name(pid: int) -> str | None:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return None


def advise(seen: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the devices that `look` saw, and what to do; equal findings are joined."""
    met: dict[tuple[str, str], list[str]] = {}
    for place, device in enumerate(seen["devices"]):
        for finding in _advise_one(device):
            met.setdefault(finding, []).append(str(place))
    for (what, advice), places in met.items():
        if len(places) == len(seen["devices"]) > 1:
            named = "All devices"
        else:
            named = f"Device{'s' if len(places) > 1 else ''} {', '.join(places)}"
        yield f"{named}: {what}.", advice


def _advise_one(device: dict[str, Any]) -> Iterator[tuple[str, str]]:
    settings = device["settings"] or {}
    if settings.get("persistence") == 0:
        yield (
            "persistence mode is off",
            "The driver leaves the device between processes, and coming back takes seconds: nvidia-smi -pm 1.",
        )
    limit, default = settings.get("power_limit_w"), settings.get("power_default_w")
    if limit and default and limit < default:
        yield (
            f"the power limit is {limit:g} W, below the usual {default:g} W",
            f"Clocks fall earlier than on other such devices: nvidia-smi -pl {default:g}.",
        )
    if settings.get("ecc") is not None and settings["ecc"] != settings.get("ecc_pending"):
        yield (
            f"ECC will be {'on' if settings['ecc_pending'] else 'off'} after the next restart",
            "Memory bandwidth and size change with it: restart first, or take the change back (nvidia-smi -e).",
        )
    if settings.get("mig"):
        yield (
            "it is split into MIG instances",
            "NVML tells no utilisation of them, and power of all together: nvidia-smi -mig 0, if you may.",
        )
    if settings.get("compute_mode") == _PROHIBITED:
        yield "no process may compute on it", "Allow it: nvidia-smi -c DEFAULT."
    if lowered := sorted(set(device["throttle"] or []) - HARMLESS):
        yield (
            f"clocks are held down now ({', '.join(lowered)})",
            "Wait until it has cooled down, or see to power and cooling; such rows carry `throttled`.",
        )
    if users := device["users"]:
        named = ", ".join(f"{user['pid']} ({user['name'] or 'unknown'})" for user in users)
        yield (
            f"other processes use it: {named}",
            "Measure when they are gone, or hide it with CUDA_VISIBLE_DEVICES; such rows carry `shared`.",
        )


def rows(seen: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A name and a line of text for each device."""
    for place, device in enumerate(seen["devices"]):
        kind = "instance" if device["is_instance"] else "device"
        yield f"NVML {kind} {place}", f"{device['name']}, {device['uuid']}, PCI {device['pci']}"
        settings = device["settings"] or {}
        parts = (
            f"SM clock {_of(settings, 'sm_mhz', 'sm_max_mhz', 'MHz')}",
            f"memory clock {_of(settings, 'mem_mhz', 'mem_max_mhz', 'MHz')}",
            f"power limit {_of(settings, 'power_limit_w', 'power_default_w', 'W')}",
            f"persistence {_switch(settings.get('persistence'))}",
            f"ECC {_switch(settings.get('ecc'))}",
            f"MIG {_switch(settings.get('mig'))}",
            f"used by {_users(device)}",
        )
        yield "", "; ".join(parts)


def _of(settings: dict[str, Any], key: str, whole: str, unit: str) -> str:
    value, most = settings.get(key), settings.get(whole)
    if value is None:
        return "not told"
    return f"{value:g} {unit}" if most is None else f"{value:g} of {most:g} {unit}"


def _switch(value: int | None) -> str:
    return "not told" if value is None else "on" if value else "off"


def _users(device: dict[str, Any]) -> str:
    users: Iterable[dict[str, Any]] | None = device["users"]
    if users is None:
        return f"unknown ({device.get('refused', {}).get('users', 'not told')})"
    return ", ".join(str(user["pid"]) for user in users) or "nobody else"
