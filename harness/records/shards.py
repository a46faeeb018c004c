"""Shards of one sweep: run directories that belong together.

In: run directories. Out: those that do, in their order, and what to say of the others. Must not know what is in their
records.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.files.plain import read_json
from harness.plan.shards import parse_shard
from harness.records.files import ENVIRONMENT_FILE, read_config

# What must be the same in all shards: their points stand in one table, and in one curve.
SAME = ("device_kind", "device_name", "python")
# Of what differs between two configs, so many keys are named.
NAMED = 3


@dataclass(frozen=True)
class Shard:
    """One shard's run directory. number: i of i/n."""

    path: Path
    number: int
    shards: int
    config: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Shards:
    """together: of one sweep and like devices, in their order, at least one. apart: a sentence on each other one."""

    together: list[Shard]
    apart: list[str]


def read_shards(paths: Sequence[Path]) -> Shards:
    """What is no shard, of another sweep than most, or of other devices than most, costs its own points alone: it is
    left out and named. Raises ConfigError where nothing is left, and where a shard is given twice."""
    readable: list[Shard] = []
    reasons: list[ConfigError] = []
    for path in paths:
        try:
            readable.append(_read_shard(path))
        except ConfigError as error:
            reasons.append(error)
    if not readable:
        raise reasons[0]
    readable.sort(key=lambda shard: shard.number)
    of_one_sweep, of_others = _most(readable, _sweep)
    alike, unlike = _most(of_one_sweep, _identity)
    for before, shard in itertools.pairwise(alike):
        if shard.number == before.number:
            raise ConfigError(
                "SHARD", shard.path, f"each shard once; {before.path} is {shard.number} as well"
            )
    apart = [f"Not merged: {error.value}: no shard's run directory ({error.allowed})." for error in reasons]
    apart += [_said(shard, alike[0], _sweep, "of another sweep") for shard in of_others]
    apart += [_said(shard, alike[0], _identity, "measured on other devices") for shard in unlike]
    return Shards(alike, apart)


def _read_shard(path: Path) -> Shard:
    """Raises ConfigError if it is no shard's run directory."""
    config = read_config(path, "SHARD")
    text = config.get("shard")
    if not isinstance(text, str):
        raise ConfigError("SHARD", path, "a run directory made with shard=i/n")
    number, shards = parse_shard(text)
    return Shard(path, number, shards, config, read_json(path / ENVIRONMENT_FILE) or {})


# What must be equal in shards that belong together: name -> value.
_Traits = Callable[[Shard], "dict[str, Any]"]


def _most(shards: Sequence[Shard], traits: _Traits) -> tuple[list[Shard], list[Shard]]:
    """The largest group of those that are alike, of several as large the one of the lowest number; and the others."""
    groups: dict[Hashable, list[Shard]] = defaultdict(list)
    for shard in shards:
        groups[repr(sorted(traits(shard).items()))].append(shard)
    largest = max(groups.values(), key=len)
    return largest, [shard for shard in shards if shard not in largest]


def _said(shard: Shard, first: Shard, traits: _Traits, what: str) -> str:
    theirs, ours = traits(shard), traits(first)
    unlike = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
    told = ", ".join(f"{key}: {theirs.get(key)!r} there, {ours.get(key)!r} here" for key in unlike[:NAMED])
    return (
        f"Not merged: shard {shard.number} ({shard.path}), {what} than most ({told}); its points have no row."
    )


def _sweep(shard: Shard) -> dict[str, Any]:
    return {**shard.config, "shard": f"i/{shard.shards}"}


def _identity(shard: Shard) -> dict[str, Any]:
    torch = shard.environment.get("torch")
    same = {key: shard.environment.get(key) for key in SAME}
    return {**same, "torch": torch.get("torch") if isinstance(torch, dict) else None}
