"""Runs made up for comparisons: what each session found of each point, from a machine whose noise is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.by_session import DEVICE, ISSUE, NULL, SPEEDUP, STEP, THROUGHPUT, VS_HERE, BySession
from harness.compare.side import Side
from harness.core import axes, schema
from harness.core.stats.spread import Earlier, Spread
from harness.report.table.tidy import tidy

DRIFT = 0.02
MODES = {"eager": 1.0, "script": 0.4}
FACTS = {"host": "node1", "device kind": "cpu", "device": "A CPU", "torch": "2.14.1", "python": "3.12.1"}


def key_of(cell: int, mode: str) -> str:
    return f"{mode}-{cell}"


def made_side(
    seed: int,
    *,
    label: str = "run",
    cells: int = 8,
    sessions: int = 5,
    drift: float = DRIFT,
    session_sd: float = 0.02,
    own_sd: float = 0.006,
    null_sd: float = 0.002,
    cell_sd: float = 0.0,
    disturbed: float = 0.0,
    slower: Mapping[str, float] | None = None,
    facts: Mapping[str, str] | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Side:
    """All of it relative standard deviations: drift of the whole run; session_sd of a whole session; cell_sd of a cell
    in the run; own_sd of one mode in one session. disturbed: share of a mode's sessions in which it is 5 times as
    noisy. slower: point key -> factor of its step time. changes: point key -> columns of its row."""
    chance = np.random.default_rng(seed)
    state = chance.normal(0, drift)
    of_sessions = chance.normal(0, session_sd, sessions)
    earlier = Earlier(drift=Spread(drift, 20))
    rows, found = [], {}
    for cell in range(cells):
        of_cell = chance.normal(0, cell_sd)
        times: dict[str, np.ndarray] = {}
        for mode, share in MODES.items():
            key = key_of(cell, mode)
            logs = state + of_cell + of_sessions + _own(chance, own_sd, sessions, disturbed)
            times[mode] = 100.0 * 2**cell * share * (slower or {}).get(key, 1.0) * np.exp(logs)
        null = math.exp(chance.normal(0, null_sd))
        for mode, of_mode in times.items():
            key = key_of(cell, mode)
            speedups = times["eager"] / of_mode
            found[key] = _by_session(of_mode, speedups if mode != "eager" else None, earlier)
            rows.append({**_row(key, cell, mode, found[key], sessions, null), **(changes or {}).get(key, {})})
    points = tidy(pd.DataFrame(rows, columns=list(schema.COLUMNS)))
    return Side(label, points, FACTS if facts is None else facts, found)


def _own(chance: np.random.Generator, sd: float, sessions: int, disturbed: float) -> np.ndarray:
    times = np.where(chance.random(sessions) < disturbed, 5.0, 1.0)
    return chance.normal(0, sd, sessions) * times


def _by_session(times: np.ndarray, speedups: np.ndarray | None, earlier: Earlier) -> BySession:
    named = {f"s{number}": float(time) for number, time in enumerate(times)}
    ratios = {} if speedups is None else dict(zip(named, map(float, speedups), strict=True))
    empty: dict[str, dict[str, float]] = {name: {} for name in (ISSUE, DEVICE, THROUGHPUT, VS_HERE, NULL)}
    return BySession({**empty, STEP: named, SPEEDUP: ratios}, earlier)


def _row(key: str, cell: int, mode: str, found: BySession, sessions: int, null: float) -> dict[str, Any]:
    step, speedup = found.interval(STEP), found.interval(SPEEDUP)
    assert step is not None
    place = {
        "model": f"mlp-64x{2**cell}",
        "depth": 2**cell,
        "width": 64,
        "batch": 1,
        "devices": 1,
        "nodes": 1,
    }
    names = dict(zip(axes.NAMES, ("processes", "forward", "float32", "inference", "here", mode), strict=True))
    return {
        **{"key": key, "status": "ok", "warnings": "", "device_kind": "cpu", "device_name": "A CPU"},
        **{"sessions": sessions, "threads": 1},
        **place,
        **names,
        **schema.with_ends(STEP, step),
        **({} if speedup is None else schema.with_ends(SPEEDUP, speedup)),
        **({"null_ratio": null} if mode == "eager" else {}),
    }
