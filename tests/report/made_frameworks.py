"""Points of several frameworks, made up by a known rule: a call costs something, and each layer something more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from synthetic import Row, as_points

from harness.core.schema import OK, yes_no
from harness.environments.frameworks import framework_of

# Microseconds of a call, and of each of its layers.
COSTS_US: dict[tuple[str, str], tuple[float, float]] = {
    ("torch", "eager"): (6.0, 6.0), ("torch", "symbolic"): (5.0, 5.0), ("torch", "script"): (8.0, 4.0),
    ("tensorflow", "eager"): (60.0, 90.0), ("tensorflow", "function"): (150.0, 6.0),
    ("tensorflow", "xla"): (100.0, 2.0),
    ("jax", "eager"): (5.0, 25.0), ("jax", "jit"): (7.0, 0.5), ("jax", "aot"): (6.0, 0.5),
    ("pytensor", "graph_c"): (9.0, 2.0), ("pytensor", "graph_numba"): (14.0, 2.0),
    ("mxnet", "eager"): (50.0, 200.0), ("mxnet", "hybridize"): (120.0, 20.0),
    ("chainer", "eager"): (20.0, 150.0),
    ("cntk", "graph"): (160.0, 4.0),
}  # fmt: skip
VERSIONS = {"torch": "2.14.1", "tensorflow": "2.21.0", "jax": "0.10.0", "pytensor": "2.31", "mxnet": "1.9.1"}
HALF = 0.03
Change = Callable[[Row], Mapping[str, Any] | None]


def framework_points(
    *,
    depths: Sequence[int] = (4, 16),
    batches: Sequence[int] = (1, 256),
    costs: Mapping[tuple[str, str], tuple[float, float]] = COSTS_US,
    change: Change = lambda row: None,
) -> pd.DataFrame:
    rows: list[Row] = []
    for depth in depths:
        for batch in batches:
            steps = {key: call + depth * (layer + 0.01 * batch) for key, (call, layer) in costs.items()}
            for (name, mode), step in steps.items():
                rows.append(_row(name, mode, depth, batch, step, steps.get((name, "eager"), np.nan)))
    for row in rows:
        row.update(change(row) or {})
    return as_points(rows)


def _row(name: str, mode: str, depth: int, batch: int, step: float, own: float) -> Row:
    way = framework_of(name).way(mode)
    assert way is not None
    gain, half = own / step, 0.0 if mode == "eager" else HALF
    return {
        **{"model": f"mlp-64x{depth}", "depth": depth, "width": 64, "batch": batch, "devices": 1, "nodes": 1},
        **{"controller": "processes", "workload": "forward", "dtype": "float32", "autograd": "inference"},
        **{"environment": "here" if name == "torch" else name, "mode": mode, "framework": name},
        **{"framework_version": VERSIONS.get(name, "1"), "style": way.style},
        **{"needs_python": yes_no(way.needs_python), "holds_lock": yes_no(way.needs_python)},
        "key": f"{abs(hash((name, mode, depth, batch))):x}"[:12],
        "device_kind": "cpu",
        "device_name": "Test CPU 9000",
        "status": OK,
        "step_us": step,
        "step_us_low": step * (1 - HALF),
        "step_us_high": step * (1 + HALF),
        "throughput_samples_s": batch / step * 1e6,
        "speedup_vs_eager": gain,
        "speedup_low": gain * (1 - half),
        "speedup_high": gain * (1 + half),
        "saved_as": "SavedModel" if mode == "function" else "not saved: no file" if mode == "graph_c" else "",
        "saved_kib": 660.5 if mode == "function" else np.nan,
        "save_s": 0.9 if mode == "function" else np.nan,
        "load_s": 0.4 if mode == "function" else np.nan,
        "rounds": 48,
        "steps": 3000,
    }
