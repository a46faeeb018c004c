"""Run directories on a disk, made up for comparisons: with sessions, known step times and an environment.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from raw_runs import RawRun, cell_of, key_of

CELLS = [cell_of(batch=2**number) for number in range(6)]
ENVIRONMENT = {
    "host": "node1",
    "device_kind": "cpu",
    "device_name": "Test device",
    "python": "3.12.1",
    "torch": {"torch": "2.14.1"},
    "cpu": {"name": "Test CPU", "governor": "performance"},
}
SESSIONS = 5


def point_key(cell: int, mode: str) -> str:
    return key_of(CELLS[cell], mode)


def write_run(
    directory: Path,
    seed: int,
    *,
    slower: Mapping[str, float] | None = None,
    environment: Mapping[str, Any] | None = None,
    began: str = "2026-01-01T00:00:00+00:00",
    name: str = "dispatch",
) -> Path:
    """slower: point key -> factor of its step time."""
    chance = np.random.default_rng(seed)
    raw = RawRun(directory)
    (directory / "config.yaml").write_text(yaml.safe_dump({"name": name}))
    (directory / "environment.json").write_text(json.dumps({**ENVIRONMENT, **(environment or {})}))
    (directory / "raw" / "launcher.jsonl").unlink()
    drift = {"sd": 0.02, "dof": 10}
    raw.launcher("start", device_kind="cpu", device_name="Test device", cores=8, time_utc=began, drift=drift)
    raw.plan(*CELLS)
    state = chance.normal(0, 0.02)
    for number in range(SESSIONS):
        of_session = state + chance.normal(0, 0.02)
        writers = raw.begin(f"processes-1-try{number + 1}")
        for cell in CELLS:
            times = {
                mode: usual
                * np.exp(of_session + chance.normal(0, 0.004))
                * (slower or {}).get(key_of(cell, mode), 1.0)
                for mode, usual in (("eager", 30_000), ("script", 10_000))
            }
            raw.measure(
                writers,
                cell,
                step_ns=lambda mode, rank, number, times=times: round(
                    times["eager" if mode == "null" else mode]
                ),
                rounds=4,
                null=True,
            )
        for writer in writers:
            writer.close()
    return directory
