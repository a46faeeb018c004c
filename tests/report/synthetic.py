"""Points tables made up for tests: times follow a known rule, so that every sentence can be checked.

A step costs depth x (dispatch + batch x work) on top of a fixed part; a mode has its own dispatch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.relations import verdicts
from harness.analysis.run import Run
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, OK, TEXT_COLUMNS, yes_no

DISPATCH_US = {"eager": 9.0, "script": 3.0, "trace": 2.5}
# What the modes of these tables say of themselves in their records.
NEED_PYTHON = ("eager", "symbolic", "compile")
Row = dict[str, Any]


def step_time(row: Mapping[str, Any]) -> float:
    dispatch = DISPATCH_US.get(row["mode"], 1.0 + len(row["mode"]) / 4)
    return 4.0 + row["depth"] * (dispatch + row["batch"] * (row["width"] / 64) ** 2 * 0.02)


def make_points(
    *,
    depths: Sequence[int] = (2, 16, 64),
    widths: Sequence[int] = (64,),
    batches: Sequence[int] = (1, 64, 4096),
    devices: Sequence[int] = (1,),
    workloads: Sequence[str] = ("forward",),
    modes: Sequence[str] = ("eager", "script", "trace"),
    device_kind: str = "cpu",
    device_name: str = "Test CPU 9000",
    model: str | None = None,
    relative_interval: float = 0.02,
    efficiency: Callable[[int], float] = lambda count: 1.0 - 0.05 * (count - 1) ** 0.5,
    change: Callable[[Row], Mapping[str, Any] | None] = lambda row: None,
) -> pd.DataFrame:
    """A table as analysis leaves it. `change` gets each finished row and returns what to replace in it."""
    rows: list[Row] = []
    for depth in depths:
        for width in widths:
            for batch in batches:
                for count in devices:
                    for workload in workloads:
                        cell = {
                            "model": model or f"mlp-{width}x{depth}",
                            "depth": depth,
                            "width": width,
                            "batch": batch,
                            "devices": count,
                            "controller": "processes",
                            "workload": workload,
                            "dtype": "float32",
                            "autograd": "inference",
                            "environment": "here",
                        }
                        rows += _cell(cell, modes, device_kind, device_name, relative_interval, efficiency)
    for row in rows:
        row.update(change(row) or {})
    return as_points(rows)


def _cell(
    cell: Row,
    modes: Sequence[str],
    device_kind: str,
    device_name: str,
    relative_interval: float,
    efficiency: Callable[[int], float],
) -> list[Row]:
    rows = []
    factor = (3.0 if cell["workload"] == "train" else 1.0) / efficiency(cell["devices"])
    steps = {mode: step_time({**cell, "mode": mode}) * factor for mode in modes}
    fastest = min(steps.values())
    for mode, step in steps.items():
        known = "eager" in steps
        gain = steps["eager"] / step if known else np.nan
        narrow = 0.0 if mode == "eager" else relative_interval
        rows.append(
            {
                **cell,
                "key": hashlib.sha256(repr((cell, mode)).encode()).hexdigest()[:12],
                "mode": mode,
                "nodes": 1,
                "device_kind": device_kind,
                "device_name": device_name,
                "status": OK,
                "step_us": step,
                "step_us_low": step * (1 - relative_interval),
                "step_us_high": step * (1 + relative_interval),
                "dispatch_share": 1 - fastest / step,
                "throughput_samples_s": cell["batch"] * cell["devices"] / step * 1e6,
                "speedup_vs_eager": gain,
                "speedup_low": gain * (1 - narrow),
                "speedup_high": gain * (1 + narrow),
                "scaling_efficiency": efficiency(cell["devices"]),
                "prepare_s": 0.01,
                "first_call_s": 0.02,
                "process_peak_mib": 123.4,
                "host_cpu_share": 0.99,
                "rank_spread": 0.01,
                "rounds": 30,
                "steps": 3000,
            }
        )
    return rows


def as_points(rows: Sequence[Row]) -> pd.DataFrame:
    """Columns, order and dtypes as harness.analysis.run.Run promises them."""
    said = (
        {name: yes_no(row["mode"] in NEED_PYTHON) for name in ("needs_python", "holds_lock")} for row in rows
    )
    table = pd.DataFrame([{**own, **row} for own, row in zip(said, rows, strict=True)], columns=list(COLUMNS))
    for name in COLUMNS:
        if name in TEXT_COLUMNS:
            table[name] = table[name].astype(object).where(table[name].notna(), "")
        elif name in INTEGER_COLUMNS:
            table[name] = table[name].astype("Int64")
        else:
            table[name] = table[name].astype("float64")
    if len(table):
        table["sessions"] = table["sessions"].fillna(table["rounds"].where(table["rounds"].isna(), 5))
        table["verdict"] = verdicts(table)
    return table


def failed(status: str = "failed", error: str = "RuntimeError: broken") -> Row:
    """What a row looks like where nothing could be measured."""
    numbers = [name for name in COLUMNS if name not in TEXT_COLUMNS and name not in INTEGER_COLUMNS]
    return {**dict.fromkeys(numbers, np.nan), "rounds": None, "steps": None, "status": status, "error": error}


def make_run(
    points: pd.DataFrame | None = None,
    *,
    label: str = "smoke",
    name: str = "smoke",
    scaling: str = "weak",
    notes: tuple[str, ...] = (),
    environment: dict[str, Any] | None = None,
) -> Run:
    return Run(
        label=label,
        directory=Path("results") / name / "2025-01-02T03-04-05Z",
        config={"name": name, "scaling": scaling, "sweep": {"depth": [2, 16, 64]}},
        environment=environment
        or {"python": "3.11.7", "torch": "2.9.0", "host": {"name": "node1", "cores": 2}, "gpus": []},
        points=make_points() if points is None else points,
        notes=notes,
    )
