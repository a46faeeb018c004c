"""A passport: what the smallest things cost on one machine, as a document that is compared with that of another.

In: costs, or a file that may be anybody's. Out: JSON, or a Passport. Must not import torch, nor know how anything is
measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.numbers import is_number
from harness.core.stats.intervals import Interval

# What each cost is, in the order of the table; docs/passport.md says how each is measured.
COSTS = {
    "python_call": "call of an empty Python function",
    "module_call": "nn.Module's __call__, over its forward",
    "operator": "one operator on 8x8, on the host's CPU",
    "autograd": "recording it for autograd",
    "allocation": "an operator's new tensor, over writing in place",
    "script_call": "call of an empty scripted module",
    "script_operator": "one more operator in a scripted graph",
    "native_call": "a step of the C++ loop, over its operator",
    "guard_check": "Dynamo's guards and frame, over the plain call",
    "compiled_call": "call of a compiled module, without its kernels",
    "compiled_kernel": "one more generated kernel in compiled code",
    "compiled_library": "one more nn.Linear, compiled over straight",
    "launch": "an operator with its launch, the host's part",
    "graph_launch": "replay of a CUDA graph of one kernel, the host's part",
    "kernel_floor": "the smallest kernel, the device's part",
}
RATES = {
    "memory_gb_s": "large copy, GB/s read and written",
    "matmul_gflop_s": "large float32 product, GFLOP/s",
}

# The number of this form of the document, in it.
FORM = 1
# One has some 4 KiB.
_LARGEST, _MOST_ENTRIES, _LONGEST = 2**18, 100, 2000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
# Of a machine: plain facts.
Fact = str | int | float | None
_T = TypeVar("_T")


@dataclass(frozen=True)
class Cost:
    """A value with its 95 % interval. A difference of two may be below 0."""

    value: float
    low: float
    high: float

    @staticmethod
    def of(interval: Interval) -> Cost:
        return Cost(interval.estimate, interval.low, interval.high)


@dataclass(frozen=True)
class Passport:
    """costs: nanoseconds of one, by COSTS. rates: by RATES. noise_floor: by how much a thing differs from itself,
    relative. load: share of the cores that other programs took meanwhile, None where the system does not tell.
    missing: what could not be measured here, and why. made: UTC, ISO 8601."""

    machine: Mapping[str, Fact]
    costs: Mapping[str, Cost]
    rates: Mapping[str, Cost]
    noise_floor: float
    load: float | None
    missing: Mapping[str, str]
    made: str

    @property
    def title(self) -> str:
        """The machine in a few words."""
        device, cpu = self.machine.get("device"), self.machine.get("cpu")
        where = f"{self.machine.get('host', 'a machine')}: {cpu or 'a processor of no name'}"
        return where if device in (None, cpu) else f"{where}, {device}"

    def as_json(self) -> str:
        """One small object; what read_passport reads."""
        plain = {
            "passport": FORM,
            "made": self.made,
            "machine": dict(self.machine),
            "costs_ns": {name: asdict(cost) for name, cost in self.costs.items()},
            "rates": {name: asdict(cost) for name, cost in self.rates.items()},
            "noise_floor": self.noise_floor,
            "load": self.load,
            "missing": dict(self.missing),
        }
        return json.dumps(plain, indent=1, allow_nan=False)


def now() -> str:
    """As it is written in a passport."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def read_passport(path: Path) -> Passport:
    """A passport from a file that may be anybody's. Raises ConfigError where it is none."""
    try:
        return passport_of(beneath.read(path.parent, path.name, _LARGEST))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    except ValueError as error:
        why = str(error)
    raise ConfigError("PASSPORT", path, f"a file that harness passport wrote ({why})")


def passport_of(text: str | bytes) -> Passport:
    """Raises ValueError, with the reason in one line, where the text is no passport."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(plain, dict) or plain.get("passport") != FORM:
        raise ValueError(f"it has no passport: {FORM}")
    load = plain.get("load")
    return Passport(
        machine=_entries(plain, "machine", _fact),
        costs=_entries(plain, "costs_ns", _cost),
        rates=_entries(plain, "rates", _cost),
        noise_floor=_number(plain.get("noise_floor"), "noise_floor"),
        load=None if load is None else _number(load, "load"),
        missing=_entries(plain, "missing", _text),
        made=_text(plain.get("made"), "made"),
    )


def _entries(plain: dict[str, Any], key: str, read: Callable[[Any, str], _T]) -> dict[str, _T]:
    found = plain.get(key)
    if not isinstance(found, dict) or len(found) > _MOST_ENTRIES:
        raise ValueError(f"{key} is no table of {_MOST_ENTRIES} entries at most")
    for name in found:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{key} has a name that is none")
    return {name: read(value, f"{key}.{name}") for name, value in found.items()}


def _number(value: Any, key: str) -> float:
    if not is_number(value):
        raise ValueError(f"{key} is no finite number")
    return float(value)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError(f"{key} is no text of {_LONGEST} characters at most")
    return value


def _fact(value: Any, key: str) -> Fact:
    return value if value is None or is_number(value) else _text(value, key)


def _cost(value: Any, key: str) -> Cost:
    if not isinstance(value, dict):
        raise ValueError(f"{key} is no cost")
    cost = Cost(*(_number(value.get(part), f"{key}.{part}") for part in ("value", "low", "high")))
    if not cost.low <= cost.value <= cost.high:
        raise ValueError(f"{key} lies outside of its interval")
    return cost
