"""Whole sweeps of a shipped model, and what is asked of their rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from running import environment

from harness.modes import mode_names
from harness.plan.config import conf_directory

SMALL = sorted(
    file.stem
    for file in (conf_directory() / "model").glob("*.yaml")
    if not file.stem.endswith("_large") and file.stem not in ("mlp", "custom")
)
# What torch itself refuses: fx asks modules that look at their input's dimensions; dynamo takes no recurrent layer.
REFUSED = {("convnet", "symbolic"), ("lstm", "symbolic"), ("lstm", "compile"), ("lstm", "compile_graphs")}
# What compiles takes minutes for each model: in CI of one of them, of all where EVERY_MODE=true.
COMPILED, COMPILED_IN_CI = ("compile", "compile_graphs", "aoti"), "transformer"
ON_GPUS = ("compile_graphs", "cudagraph")
FAST = [
    "timing=quick",
    "timing.block_ms=1",
    "timing.rounds=4",
    "timing.warmup_max_s=0.2",
    "timing.null_every=0",
]


def modes_of(model: str) -> list[str]:
    every = model == COMPILED_IN_CI or os.environ.get("EVERY_MODE") == "true"
    return [name for name in mode_names() if every or name not in COMPILED]


def swept(tmp_path: Path, *words: str) -> pd.DataFrame:
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "harness", "sweep", *words, f"out={out}"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert (out / "points.csv").exists(), done.stdout + done.stderr
    return pd.read_csv(out / "points.csv")


def judged(points: pd.DataFrame, model: str, impossible: set[str]) -> None:
    """Every mode is measured, or says in one line why it cannot be."""
    for _, row in points.iterrows():
        refused = (model, row["mode"]) in REFUSED or row["mode"] in impossible
        assert row["status"] == ("unsupported" if refused else "ok"), row[
            ["workload", "mode", "error"]
        ].to_list()
        assert isinstance(row["error"], str) is refused
    good = points[points["status"] == "ok"]
    assert points[["depth", "width"]].isna().all(axis=None)
    assert (good["tensor_peak_mib"] > 0)[good["mode"] != "compile_graphs"].all()
