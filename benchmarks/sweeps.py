"""Sweeps that benchmarks start, and what they read of them.

In: overrides of a sweep. Out: a run directory, its points, and its single rounds. Must not know what is judged by them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.on_disk import lines_of
from harness.core.processes.children import path_variables, python_module
from harness.records.naming import NULL_ENDING
from harness.records.raw import LAUNCHER_FILE

ROOT = Path(__file__).resolve().parents[1]
NULL = "null"


def listed(values: Sequence[object]) -> str:
    """A list as an override has it."""
    return f"[{','.join(map(str, values))}]"


def run_sweep(out: Path, overrides: Sequence[str], variables: Mapping[str, str] | None = None) -> Path:
    """Measure a sweep in fresh processes; answers its run directory, `out`. variables: added to the environment.

    Raises SystemExit with the last of what it said if it fails.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, **path_variables({"PYTHONPATH": path}), **(variables or {})}
    command = [*python_module("harness.commands.cli"), "sweep", *overrides, f"out={out}"]
    ended = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if ended.returncode:
        raise SystemExit(f"a sweep failed: {' '.join(overrides)}\n{ended.stdout[-3000:]}")
    return out


def timing(name: str, **values: object) -> list[str]:
    """Overrides that choose conf/timing and change some of it."""
    return [f"timing={name}", *(f"timing.{key}={value}" for key, value in values.items())]


def rounds(run: Path) -> pd.DataFrame:
    """A row a round and point: of every rank the slowest.

    Columns: session, started_s (of the session's first block, on the clock of its machine), cell, label, mode (NULL for
    the second build of eager), build, visit, round, step_us. Rounds that some rank lacks are left out.
    """
    raw = lines_of(run)
    modes = {record["key"]: record for record in raw.get(LAUNCHER_FILE, ()) if record["type"] == "point"}
    rows: list[dict[str, Any]] = []
    for records in raw.values():
        session = next((record for record in records if record["type"] == "session"), None)
        for record in records if session else ():
            if record["type"] == "round":
                place = {name: record.get(name, 0) for name in ("cell", "build", "visit", "round")}
                place |= {"session": session["session"], "ranks": session["ranks"]}  # type: ignore[index]
                rows += [place | _block(block, modes) for block in record["blocks"] if _key(block) in modes]
    if not rows:
        return pd.DataFrame(
            columns=["session", "started_s", "cell", "label", "mode", "build", "visit", "round"]
        )
    places = ["session", "cell", "label", "mode", "build", "visit", "round"]
    grouped = pd.DataFrame(rows).groupby(places, sort=False)
    table = grouped.agg(
        step_us=("step_us", "max"),
        start_ns=("start_ns", "min"),
        present=("ranks", "size"),
        ranks=("ranks", "max"),
    ).reset_index()
    table = table[table["present"] == table["ranks"]]
    started_s = table.groupby("session")["start_ns"].transform("min") / 1e9
    return table.assign(started_s=started_s).drop(columns=["present", "ranks", "start_ns"])


def _key(block: Mapping[str, Any]) -> str:
    return str(block["key"]).removesuffix(NULL_ENDING)


def _block(block: Mapping[str, Any], points: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    axes = points[_key(block)]["axes"]
    sizes = " ".join(f"{name} {axes[name]}" for name in ("depth", "width", "batch"))
    return {
        "label": f"{axes['workload']} {axes['devices']}x {sizes}",
        "mode": NULL if str(block["key"]).endswith(NULL_ENDING) else axes["mode"],
        "start_ns": block["start_ns"],
        "step_us": (block["end_ns"] - block["start_ns"]) / block["steps"] / 1e3,
    }
