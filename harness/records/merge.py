"""The run directories of a sweep's shards, merged into one run directory.

In: the shards' run directories. Out: a run directory as if one job had measured all. Must not know torch, or how the
shards were run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.made import Made
from harness.records.files import CONFIG_FILE, ENVIRONMENT_FILE, MONITOR
from harness.records.kinds import Record
from harness.records.lines import told
from harness.records.merged import MERGED_FILE
from harness.records.naming import SHARD
from harness.records.node_speeds import Speed, node_speeds
from harness.records.raw import LAUNCHER_FILE, RAW, Launcher, RawFiles
from harness.records.shards import Shard, read_shards

UNENDED = "This merge was broken off: points are missing that the shards have. Merge them again."


def merge(directories: Sequence[Path], out: Path) -> bool:
    """Make `out` from shards, or make it anew; answers whether all shards of the sweep are in it.

    What is not in it is told in the run's notes. Raises ConfigError if no directory is a shard, or `out` is something
    else.
    """
    found = read_shards(directories)
    shards = found.together
    made = _destination(out)
    # A merge that is killed leaves a folder that says so, until this file is replaced.
    made.write_text(MERGED_FILE, json.dumps({"alarm": UNENDED}) + "\n")
    launchers: list[Launcher] = []
    left_out = [*found.apart]
    for shard in shards:
        raw = RawFiles(shard.path)
        launchers.append(raw.launcher())
        left_out += _left_out(shard, raw)
    for shard in shards:
        # Sessions of a shard are named after it, so that their files differ already.
        for name in beneath.names(shard.path, RAW, "*.jsonl"):
            if name != LAUNCHER_FILE:
                left_out += _copy(shard, f"{RAW}/{name}", made, f"{RAW}/{name}")
        for name in beneath.names(shard.path, MONITOR, "node-*.jsonl"):
            of_shard = f"node-{SHARD}{shard.number}-{name.removeprefix('node-')}"
            left_out += _copy(shard, f"{MONITOR}/{name}", made, f"{MONITOR}/{of_shard}")
    lines = [msgspec.json.encode(record) + b"\n" for record in _launcher_records(launchers)]
    made.write(f"{RAW}/{LAUNCHER_FILE}", b"".join(lines))
    made.write_text(CONFIG_FILE, yaml.safe_dump({**shards[0].config, "shard": None}, sort_keys=False))
    made.write_text(ENVIRONMENT_FILE, json.dumps(shards[0].environment, indent=2) + "\n")
    about = _about(shards, node_speeds(out), left_out)
    made.write_text(MERGED_FILE, json.dumps(about, indent=1) + "\n")
    return not about["missing"]


def _destination(out: Path) -> Made:
    """The folder to merge into, without what was merged there before.

    Raises ConfigError where it holds a run that was measured there, or files of others where ours go.
    """
    made = Made(out)
    if beneath.exists(out, RAW) and MERGED_FILE not in made:
        raise ConfigError("--out", out, "a new folder, or one that was merged before; it holds a run")
    ours = (MERGED_FILE, CONFIG_FILE, ENVIRONMENT_FILE, f"{RAW}/", f"{MONITOR}/")
    made.check(*ours)
    if out.is_dir():
        for folder in (RAW, MONITOR):
            made.check(*(f"{folder}/{name}" for name in beneath.names(out, folder, "*")))
    # Only now, when nothing is refused any more: a name on the list may be replaced from here on.
    made.claim(*ours)
    for folder in (RAW, MONITOR):
        beneath.make_folder(out, folder)
        made.remove(made.below(f"{folder}/"))
    return made


def _left_out(shard: Shard, raw: RawFiles) -> list[str]:
    """What to say of what was read of the launcher. raw: of which nothing else was read."""
    said = [f"Of shard {shard.number} not merged: {what}." for what in raw.unread]
    if raw.skipped:
        lines = f"{raw.skipped.total()} lines of {RAW}/{LAUNCHER_FILE} are not in the merged run"
        said.append(f"Of shard {shard.number}, {lines} ({told(raw.skipped)}).")
    return said


def _copy(shard: Shard, name: str, made: Made, copy: str) -> list[str]:
    """A shard may be anybody's: what is no plain file there is left out, as where it is read. Answers what to say."""
    try:
        descriptor = beneath.open_file(shard.path, name)
    except beneath.NotPlain as error:
        return [f"Of shard {shard.number} not merged: {name}: {error.strerror}."]
    with os.fdopen(descriptor, "rb") as file:
        made.write(copy, file)
    return []


def _launcher_records(launchers: Sequence[Launcher]) -> list[Record]:
    """The launchers' words of all shards: the points in the order of the plan, each once."""
    points = {point.key: point for launcher in launchers for point in launcher.points}
    return [
        *(start for launcher in launchers for start in launcher.starts),
        *sorted(points.values(), key=lambda point: point.place),
        *(outcome for launcher in launchers for outcome in launcher.outcomes),
    ]


def _about(shards: Sequence[Shard], speeds: Sequence[Speed], left_out: Sequence[str]) -> dict[str, Any]:
    missing = [n for n in range(1, shards[0].shards + 1) if n not in {shard.number for shard in shards}]
    of = f"of {shards[0].shards}"
    there = ", ".join(str(shard.number) for shard in shards)
    notes = [f"Merged from shard {there} {of}{_compared(speeds)}."]
    notes += [*left_out, *(speed.sentence for speed in speeds if speed.slower)]
    alarm = (
        f"Not there: shard {', '.join(map(str, missing))} {of}; its points have no row." if missing else ""
    )
    return {
        "alarm": alarm,
        "shards": [{"path": str(shard.path), "shard": shard.config["shard"]} for shard in shards],
        "missing": missing,
        "nodes": {s.node: {"ratio": s.ratio, "points": s.points, "sure": s.sure} for s in speeds},
        "notes": notes,
    }


def _compared(speeds: Sequence[Speed]) -> str:
    """How its nodes compare; empty where there is one alone, or none shares a point with another."""
    if len(speeds) < 2:
        return ""
    most = max(speed.ratio for speed in speeds)
    nodes = ", ".join(speed.node for speed in speeds)
    return f"; by the points that they share, nodes {nodes} differ by {(most - 1) * 100:.1f} % at most"
