"""The profile of an emulated node: its values, and the file that the stand-ins read.

In: values of conf/emulator/. Out: lines of `key value`. Must not know the harness, nor which values are allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from emulator.times.collectives import Protocol
from emulator.times.kernels import KernelTimes
from emulator.times.products import ProductTimes

# How a device's name begins, so that nobody who sees it takes it for a real one.
EMULATED = "Emulated "


@dataclass
class ModelError:
    """Of a class of kernels (emulator.times.errors): measured over modelled time of shapes that the constants were not
    fitted on, 5th and 95th percentile. shapes: how many; 0 where none was measured, and another device's stands."""

    low: float = 1.0
    high: float = 1.0
    shapes: int = 0


@dataclass
class Profile:
    """An emulated node. Units in the names; flop_s: dense peak, operations a second per number format.

    products: constants of matrix products per number format (emulator.times.products). kernels: of other kernels per
    kind (emulator.times.kernels).
    protocols, collective_floor_us: of collectives (emulator.times.collectives). launch_host_us: host time of one launch
    call; launch_latency_us: from the call to the start on an idle device; queued_gap_us: from the end of a kernel to
    the start of the one that was queued behind it, graph_gap_us: within a graph. jitter: how much all that varies, 1 as
    on real devices (src/jitter.h), and jitter_seed. errors: per class of kernels.
    """

    name: str
    devices: int
    compute_capability: str
    sms: int
    sm_clock_mhz: float
    memory_mib: int
    memory_gb_s: float
    flop_s: dict[str, float] = field(default_factory=dict)
    products: dict[str, ProductTimes] = field(default_factory=dict)
    kernels: dict[str, KernelTimes] = field(default_factory=dict)
    launch_host_us: float = 2.5
    launch_latency_us: float = 3.0
    queued_gap_us: float = 0.0
    graph_gap_us: float = 0.0
    shortest_kernel_us: float = 2.0
    host_copy_gb_s: float = 12.0
    protocols: list[Protocol] = field(default_factory=list)
    collective_floor_us: float = 0.0
    link_gb_s: float = 100.0
    power_idle_w: float = 50.0
    power_full_w: float = 300.0
    utilization_window_ms: float = 1000 / 6
    jitter: float = 0.0
    jitter_seed: int = 0
    errors: dict[str, ModelError] = field(default_factory=dict)


GROUPS = {"products": ProductTimes, "kernels": KernelTimes, "errors": ModelError}
_Part = TypeVar("_Part")


def profile_of(values: Mapping[str, Any]) -> Profile:
    """From what a YAML file holds. Raises TypeError where keys are missing or unknown."""
    given = dict(values)
    for key, kind in GROUPS.items():
        given[key] = {name: _part(kind, each) for name, each in dict(given.get(key) or {}).items()}
    given["protocols"] = [_part(Protocol, each) for each in given.get("protocols") or []]
    return Profile(**given)


def _part(kind: type[_Part], values: Any) -> _Part:
    return kind(**values) if isinstance(values, Mapping) else values


def leaves(profile: Profile) -> Iterator[tuple[str, Any]]:
    """Every value by its key, as `harness sweep` takes it: products.float32.share."""
    return _leaves("", {each.name: getattr(profile, each.name) for each in fields(profile)})


def _leaves(before: str, value: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(value, "__dataclass_fields__"):
        value = asdict(value)
    named = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    )
    if named is None:
        yield before, value
        return
    for key, each in named:
        yield from _leaves(f"{before}.{key}" if before else str(key), each)


def save(profile: Profile, path: Path) -> None:
    """Write what src/profile.cpp reads; whole or not at all, since processes of the node may be starting."""
    values = {key: value for key, value in leaves(profile) if not key.startswith("errors.")}
    major, _, minor = str(values.pop("compute_capability")).partition(".")
    values |= {"capability_major": major, "capability_minor": minor, "protocols": len(profile.protocols)}
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text("".join(f"{key} {value}\n" for key, value in values.items()), encoding="utf-8")
    unfinished.replace(path)
