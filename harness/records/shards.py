"""Shards of one sweep: run directories that belong together.

In: run directories. Out: shards in their order, or ConfigError. Must not know what is in their records.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.files.plain import read_json
from harness.plan.shards import parse_shard
from harness.records.files import ENVIRONMENT_FILE, read_config

# What must be the same in all shards: their points stand in one table, and in one curve.
SAME = ("device_kind", "device_name", "python")


@dataclass(frozen=True)
class Shard:
    """One shard's run directory. number: i of i/n."""

    path: Path
    number: int
    shards: int
    config: dict[str, Any]
    environment: dict[str, Any]


def read_shard(path: Path) -> Shard:
    """Raises ConfigError if it is no shard's run directory."""
    config = read_config(path, "SHARD")
    text = config.get("shard")
    if not isinstance(text, str):
        raise ConfigError("SHARD", path, "a run directory made with shard=i/n")
    number, shards = parse_shard(text)
    return Shard(path, number, shards, config, read_json(path / ENVIRONMENT_FILE) or {})


def check_shards(shards: Sequence[Shard]) -> list[Shard]:
    """The shards in their order. Raises ConfigError if they are not of one sweep, or of unlike devices."""
    ordered = sorted(shards, key=lambda shard: shard.number)
    first = ordered[0]
    for before, shard in itertools.pairwise(ordered):
        if shard.number == before.number:
            raise ConfigError(
                "SHARD", shard.path, f"each shard once; {before.path} is {shard.number} as well"
            )
    for shard in ordered[1:]:
        ours, theirs = ({**each.config, "shard": None} for each in (first, shard))
        if shard.shards != first.shards:
            theirs["shard"], ours["shard"] = shard.config["shard"], first.config["shard"]
        changed = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
        if changed:
            told = ", ".join(
                f"{k}={theirs.get(k)!r} there, {ours.get(k)!r} in {first.path}" for k in changed[:3]
            )
            raise ConfigError("SHARD", shard.path, f"shards of one sweep; it is of another one ({told})")
        mine, his = (_identity(each.environment) for each in (first, shard))
        if unlike := [key for key in mine if mine[key] != his[key]]:
            told = ", ".join(f"{key}: {his[key]} there, {mine[key]} in {first.path}" for key in unlike)
            raise ConfigError("SHARD", shard.path, f"shards measured on the same devices ({told})")
    return ordered


def _identity(environment: dict[str, Any]) -> dict[str, Any]:
    torch = environment.get("torch")
    same = {key: environment.get(key) for key in SAME}
    return {**same, "torch": torch.get("torch") if isinstance(torch, dict) else None}
