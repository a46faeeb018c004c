"""What samplers wrote beside a run, as arrays.

In: the files monitor/node-*.jsonl of a run directory. Out: a Sampling for each sampler that ran, and what was
skipped. Must not know points, torch or NVML. Nothing here trusts a line: files may be torn, foreign or missing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from harness.core.files import beneath
from harness.core.files.plain import DEEPEST, is_deep
from harness.core.numbers import is_number, whole_number
from harness.records.files import MONITOR
from harness.records.kinds import Identity
from harness.records.lines import FOREIGN, HEADLESS, NoRecord, read_lines

# What a device's sample may say in a number, by the name that it has there.
NUMBERS = ("util", "power_w", "energy_j", "sm_active")

# So many samples become arrays at a time: as objects, those of a long run would not fit into memory, and those
# of a few thousand not into the processor's cache.
_CHUNK = 256
# Sets (throttle reasons, process ids) are kept as numbers of sets; this one stands for a sample that has none.
NOT_SAMPLED = -1

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SampledDevice:
    """A device as its sampler describes it. period_ns: what NVML's utilisation covers before it is read, or the
    time between two samples where that is longer. others: foreign processes on it when the sampler started."""

    uuid: str
    pci: str
    name: str
    period_ns: int
    unsupported: dict[str, str]
    others: frozenset[str]


@dataclass
class Sampling:
    """One sampler's samples, from one `node` line to the next.

    t_ns: times, never falling. values: name -> one row per sample and one column per device, NaN where it was
    not sampled. throttle, others: likewise, numbers of the sets in `sets`, NOT_SAMPLED where it was not.
    why: why no device was sampled; empty where devices were. others_t_ns, others_s: when the host was looked at, and
    CPU seconds that other programs had taken by then of the `allowed` cores, of which `usable` at once.
    end: the sampler's last word, None if it has none.
    """

    host: str
    hz: float
    cores: int
    why: str
    devices: list[SampledDevice]
    t_ns: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    values: dict[str, Floats] = field(default_factory=dict)
    throttle: Numbers = field(default_factory=lambda: np.empty((0, 0), np.int64))
    others: Numbers = field(default_factory=lambda: np.empty((0, 0), np.int64))
    sets: list[frozenset[str]] = field(default_factory=list)
    allowed: int = 0
    usable: int = 0
    others_t_ns: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    others_s: Floats = field(default_factory=lambda: np.empty(0, np.float64))
    events: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None


@dataclass
class Samplings:
    """All that was sampled beside a run. skipped: kind of defect -> lines. unreadable: why a file was not read."""

    of_samplers: list[Sampling] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


def read_samples(directory: Path) -> Samplings:
    """Read monitor/node-*.jsonl of a run directory; never fails."""
    result = Samplings()
    try:
        names = beneath.names(directory, MONITOR, "node-*.jsonl")
    except OSError as error:
        result.unreadable.append(f"{MONITOR}: {error.strerror or error}")
        return result
    for name in names:
        try:
            descriptor = beneath.open_file(directory, f"{MONITOR}/{name}")
            result.of_samplers += _samplings(read_lines(descriptor, result.skipped, _decoded), result.skipped)
        except OSError as error:
            result.unreadable.append(f"{MONITOR}/{name}: {error.strerror or error}")
    return result


def same_device(device: SampledDevice, identity: Identity) -> bool:
    """Whether a rank means this device: by UUID, or by its place on the bus where one of the two has no UUID."""
    theirs, ours = _bare(identity.uuid), _bare(device.uuid)
    if theirs and ours:
        return theirs == ours
    place = _place(identity.pci)
    return place is not None and place == _place(device.pci)


def _bare(uuid: str | None) -> str:
    # PyTorch gives a MIG instance's UUID without saying that it is one.
    return re.sub(r"^(gpu|mig)-", "", (uuid or "").lower())


def _place(pci: str | None) -> tuple[int, ...] | None:
    """Numbers of domain, bus and slot: the domain is written with 4 digits or with 8."""
    try:
        return tuple(int(part, 16) for part in re.split("[:.]", pci)) if pci else None
    except ValueError:
        return None


def _decoded(line: bytes) -> dict[str, Any]:
    record = msgspec.json.decode(line)
    # Told by counting, since a look at every value takes as long as reading the line.
    may_be_deep = line.count(b"[") + line.count(b"{") > DEEPEST
    if not _is_record(record) or (may_be_deep and is_deep(record)):
        raise NoRecord(FOREIGN)
    return dict(record)


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    kind = record.get("type")
    if kind == "sample":
        return type(record.get("t_ns")) is int and is_number(record["t_ns"])
    if kind == "node":
        hz, devices = record.get("hz"), record.get("devices")
        return (
            isinstance(record.get("host"), str)
            and is_number(hz)
            and hz > 0  # type: ignore[operator]
            and isinstance(devices, list)
            and all(isinstance(device, dict) for device in devices)
        )
    if kind == "event":
        return isinstance(record.get("what"), str) and is_number(record.get("t_ns"))
    return kind == "end"


def _samplings(records: Iterator[dict[str, Any]], skipped: Counter[str]) -> list[Sampling]:
    found: list[_Collector] = []
    for record in records:
        kind = record["type"]
        if kind == "node":
            found.append(_Collector(_sampling(record)))
        elif not found:
            skipped[HEADLESS] += 1
        elif kind == "sample":
            if not found[-1].take(record):
                skipped[FOREIGN] += 1
        elif kind == "event":
            found[-1].sampling.events.append(record)
        else:
            found[-1].sampling.end = record
    return [collector.finished() for collector in found]


def _sampling(node: dict[str, Any]) -> Sampling:
    devices = [_device(device, 1e9 / node["hz"]) for device in node["devices"]]
    return Sampling(
        host=node["host"],
        hz=float(node["hz"]),
        cores=whole_number(node.get("cores")) or 0,
        why=str(node.get("why") or "") if not devices else "",
        devices=devices,
        allowed=whole_number(node.get("allowed_cores")) or 0,
        usable=whole_number(node.get("usable_cores")) or 0,
    )


def _device(device: dict[str, Any], between_ns: float) -> SampledDevice:
    window, unsupported = device.get("utilization_period_ms"), device.get("unsupported")
    window_ns = float(window) * 1e6 if is_number(window) else 0.0  # type: ignore[arg-type]
    return SampledDevice(
        uuid=str(device.get("uuid") or ""),
        pci=str(device.get("pci") or ""),
        name=str(device.get("name") or ""),
        period_ns=round(min(max(between_ns, window_ns), 1e12)),
        unsupported={str(name): str(why) for name, why in unsupported.items()}
        if isinstance(unsupported, dict)
        else {},
        others=_as_set(device.get("others")),
    )


def _as_set(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()


class _Collector:
    """Turns samples into arrays, a chunk at a time."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._times: list[int] = []
        self._samples: list[dict[str, Any]] = []  # one for each device of each sample
        self._numbers: defaultdict[tuple[Any, ...], int] = defaultdict(lambda: len(self._numbers))
        self._chunks: dict[str, list[Any]] = {}
        self._others: list[tuple[int, float]] = []

    def take(self, record: dict[str, Any]) -> bool:
        """Whether the sample is one of this sampler's devices."""
        devices = record.get("devices")
        if not isinstance(devices, list) or len(devices) != len(self.sampling.devices):
            return False
        self._times.append(record["t_ns"])
        self._take_host(record["t_ns"], record.get("host"))
        self._samples += [device if isinstance(device, dict) else {} for device in devices]
        if len(self._times) == _CHUNK:
            self._flush()
        return True

    def _take_host(self, t_ns: int, host: Any) -> None:
        if isinstance(host, dict) and is_number(host.get("busy_s")) and is_number(host.get("own_s")):
            self._others.append((t_ns, float(host["busy_s"]) - float(host["own_s"])))

    def _flush(self) -> None:
        shape = (len(self._times), len(self.sampling.devices))
        made: dict[str, Any] = {"t_ns": np.array(self._times, np.int64)}
        for name in NUMBERS:
            made[name] = _floats([sample.get(name) for sample in self._samples]).reshape(shape)
        for name in ("throttle", "others"):
            made[name] = self._coded([sample.get(name) for sample in self._samples]).reshape(shape)
        for name, array in made.items():
            self._chunks.setdefault(name, []).append(array)
        self._times, self._samples = [], []

    def _coded(self, lists: Sequence[Any]) -> Numbers:
        """The number of each list's set. There are few different ones, and one of them on nearly all samples."""
        numbers = self._numbers
        try:
            return np.array(
                [NOT_SAMPLED if items is None else numbers[tuple(items)] for items in lists], np.int64
            )
        except TypeError:  # no lists, or lists within lists: nothing that a sampler writes
            sets = (tuple(map(str, items)) if isinstance(items, list) else None for items in lists)
            return np.array([NOT_SAMPLED if items is None else numbers[items] for items in sets], np.int64)

    def finished(self) -> Sampling:
        self._flush()
        arrays = {name: np.concatenate(parts) for name, parts in self._chunks.items()}
        if (np.diff(arrays["t_ns"]) < 0).any():
            order = np.argsort(arrays["t_ns"], kind="stable")
            arrays = {name: array[order] for name, array in arrays.items()}
        sampling = self.sampling
        sampling.t_ns, sampling.throttle, sampling.others = (
            arrays.pop(name) for name in ("t_ns", "throttle", "others")
        )
        sampling.values = arrays
        others = sorted(self._others)
        sampling.others_t_ns = np.array([t_ns for t_ns, _ in others], np.int64)
        sampling.others_s = np.array([seconds for _, seconds in others], np.float64)
        sampling.sets = [frozenset(map(str, items)) for items in self._numbers]
        return sampling


def _floats(values: list[Any]) -> Floats:
    """NaN where there is no number; quick where all are numbers or None, as in all that samplers write."""
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([value if is_number(value) else np.nan for value in values], np.float64)
