"""The run directories of a sweep's shards, merged into one run directory.

In: the shards' run directories. Out: a run directory as if one job had measured all, and what a reader must know of it.
Must not know torch, or how the shards were run.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from harness.analysis.run import Run, load_run
from harness.analysis.sampled.samples import FOLDER
from harness.core.errors import ConfigError, HarnessError
from harness.core.files import beneath
from harness.core.files.made import Made
from harness.core.files.plain import read_json
from harness.plan.shards import parse_shard
from harness.records.files import CONFIG_FILE, ENVIRONMENT_FILE, read_config
from harness.records.naming import SHARD
from harness.records.node_speeds import node_speeds
from harness.records.raw import LAUNCHER_FILE, RAW, RawData, read_raw

# In the merged run: which shards, which nodes, and the sentences about them.
MERGED_FILE = "merged.json"

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


def main(arguments: list[str]) -> int:
    """`harness merge SHARD... --out DIR`. Answers the exit status."""
    from harness.report import print_summary, write_report

    parser = argparse.ArgumentParser(
        prog="harness merge",
        description="Merge the run directories of a sweep's shards, and report the whole.",
    )
    parser.add_argument("shard", nargs="+", type=Path, metavar="SHARD", help="run directory of shard=i/n")
    parser.add_argument("--out", type=Path, required=True, help="run directory to make, or to make anew")
    parsed = parser.parse_args(arguments)
    try:
        merge(parsed.shard, parsed.out)
        run = with_notes(load_run(parsed.out))
        paths = write_report([run], parsed.out)
    except OSError as error:
        raise HarnessError(f"--out={parsed.out}: cannot be written: {error}") from error
    print_summary(Console(), [run], paths)
    return 0


def merge(directories: Sequence[Path], out: Path) -> None:
    """Make `out` from shards, or make it anew. Raises ConfigError if they do not belong together, or `out` is
    something else."""
    shards = check_shards([read_shard(directory) for directory in directories])
    made = _destination(out)
    raw = {shard.number: read_raw(shard.path) for shard in shards}
    for shard in shards:
        # Sessions of a shard are named after it, so that their files differ already.
        for name in beneath.names(shard.path, RAW, "*.jsonl"):
            if name != LAUNCHER_FILE:
                _copy(shard.path, f"{RAW}/{name}", made, f"{RAW}/{name}")
        for name in beneath.names(shard.path, FOLDER, "node-*.jsonl"):
            of_shard = f"node-{SHARD}{shard.number}-{name.removeprefix('node-')}"
            _copy(shard.path, f"{FOLDER}/{name}", made, f"{FOLDER}/{of_shard}")
    lines = [json.dumps(record) + "\n" for record in _launcher_records(raw)]
    made.write_text(f"{RAW}/{LAUNCHER_FILE}", "".join(lines))
    made.write_text(CONFIG_FILE, yaml.safe_dump({**shards[0].config, "shard": None}, sort_keys=False))
    made.write_text(ENVIRONMENT_FILE, json.dumps(shards[0].environment, indent=2) + "\n")
    made.write_text(MERGED_FILE, json.dumps(_about(shards, read_raw(out)), indent=1) + "\n")


def _destination(out: Path) -> Made:
    """The folder to merge into, without what was merged there before.

    Raises ConfigError where it holds a run that was measured there, or files of others where ours go.
    """
    made = Made(out)
    if beneath.exists(out, RAW) and MERGED_FILE not in made:
        raise ConfigError("--out", out, "a new folder, or one that was merged before; it holds a run")
    ours = (MERGED_FILE, CONFIG_FILE, ENVIRONMENT_FILE, f"{RAW}/", f"{FOLDER}/")
    made.check(*ours)
    if out.is_dir():
        for folder in (RAW, FOLDER):
            made.check(*(f"{folder}/{name}" for name in beneath.names(out, folder, "*")))
    # Only now, when nothing is refused any more: a name on the list may be replaced from here on.
    made.claim(*ours)
    for folder in (RAW, FOLDER):
        beneath.make_folder(out, folder)
        made.remove(made.below(f"{folder}/"))
    return made


def _copy(source: Path, name: str, made: Made, copy: str) -> None:
    """A shard may be anybody's: what is no plain file there is left out, as where it is read."""
    with contextlib.suppress(beneath.NotPlain):
        descriptor = beneath.open_file(source, name)
        with os.fdopen(descriptor, "rb") as file:
            made.write(copy, file)


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
    found = {key: environment.get(key) for key in SAME}
    return {**found, "torch": torch.get("torch") if isinstance(torch, dict) else None}


def _launcher_records(raw: dict[int, RawData]) -> list[dict[str, Any]]:
    """The launchers' words of all shards: the points in the order of the plan, each once."""
    records = [record for data in raw.values() for record in data.files.get(LAUNCHER_FILE, [])]
    points = {record["key"]: record for record in records if record["type"] == "point"}
    planned = sorted(points.values(), key=lambda record: record.get("place", 0))
    others = [record for record in records if record["type"] != "point"]
    return [
        *(r for r in others if r["type"] == "start"),
        *planned,
        *(r for r in others if r["type"] != "start"),
    ]


def _about(shards: Sequence[Shard], raw: RawData) -> dict[str, Any]:
    missing = [n for n in range(1, shards[0].shards + 1) if n not in {shard.number for shard in shards}]
    speeds = node_speeds(raw)
    notes = [speed.sentence for speed in speeds if speed.slower]
    if missing:
        of = f"of {shards[0].shards}"
        notes.insert(0, f"Not there: shard {', '.join(map(str, missing))} {of}; its points have no row.")
    return {
        "shards": [{"path": str(shard.path), "shard": shard.config["shard"]} for shard in shards],
        "missing": missing,
        "nodes": {s.node: {"ratio": s.ratio, "points": s.points, "sure": s.sure} for s in speeds},
        "notes": notes,
    }


def with_notes(run: Run) -> Run:
    """A run with what was found when it was merged, if it was."""
    about = read_json(run.directory / MERGED_FILE) or {}
    notes = [note for note in about.get("notes", []) if isinstance(note, str)]
    return replace(run, notes=(*run.notes, *notes)) if notes else run
