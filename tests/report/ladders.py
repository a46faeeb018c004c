"""Points tables of the ladder's and the controllers' sweeps, made up by known rules.

On a device a step takes as long as issuing it or executing it, whichever is longer; on CPU the sum of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from synthetic import NEED_PYTHON, Row, as_points, failed

from harness.core.schema import OK
from harness.report.table.tidy import MODE_ORDER

# Microseconds to issue one layer. `compile` is slower than eager, as it is on CPU for small layers.
ISSUE_US = {
    **{"eager": 9.0, "symbolic": 7.0, "script": 3.0, "trace": 2.8, "frozen": 2.6, "compile": 10.0},
    **{"compile_graphs": 0.7, "cudagraph": 0.1, "aoti": 1.4, "native": 2.4},
}
GRAPHS = ("compile_graphs", "cudagraph")
Change = Callable[[Row], Mapping[str, Any] | None]


def work_us(batch: int) -> float:
    """Time to execute one layer."""
    return 1.2 + 0.004 * batch


def _row(cell: Row, mode: str, kind: str, step: float, eager: float, **more: Any) -> Row:
    narrow = 0.0 if mode == "eager" else 0.02
    gain = eager / step
    return {
        **cell,
        "key": f"{abs(hash((*cell.items(), mode))):x}"[:12],
        "mode": mode,
        "nodes": 1,
        "device_kind": kind,
        "device_name": "Test CPU 9000" if kind == "cpu" else "Emulated V100-SXM2-32GB",
        "status": OK,
        "warnings": "emulated" if kind == "emulated" else "",
        "step_us": step,
        "step_us_low": step * 0.98,
        "step_us_high": step * 1.02,
        "throughput_samples_s": cell["batch"] * cell["devices"] / step * 1e6,
        "speedup_vs_eager": gain,
        "speedup_low": gain * (1 - narrow),
        "speedup_high": gain * (1 + narrow),
        "host_cpu_share": 1.0,
        # Threads behind one lock hand it to each other.
        "waits_s": 40_000.0 if cell["controller"] == "threads" and mode in NEED_PYTHON else 100.0,
        "preemptions_s": 100.0,
        "gil": "yes",
        "threads": 1,
        "rounds": 30,
        "steps": 3000,
        **more,
    }


def _cell(depth: int, batch: int, devices: int = 1, controller: str = "processes") -> Row:
    return {
        **{"model": f"mlp-64x{depth}", "depth": depth, "width": 64, "batch": batch, "devices": devices},
        **{"controller": controller, "workload": "forward", "dtype": "float32", "autograd": "inference"},
        "environment": "here",
    }


def _finished(rows: list[Row], change: Change) -> pd.DataFrame:
    for row in rows:
        row.update(change(row) or {})
    return as_points(rows)


def ladder_points(
    kind: str = "emulated",
    *,
    depths: Sequence[int] = (4, 64),
    batches: Sequence[int] = (1, 64, 4096),
    modes: Sequence[str] = MODE_ORDER,
    change: Change = lambda row: None,
) -> pd.DataFrame:
    """On CPU the modes that capture graphs of a device are unsupported."""
    rows = []
    for depth in depths:
        for batch in batches:
            work = work_us(batch) * depth
            issues = {mode: ISSUE_US[mode] * depth + 3.0 for mode in modes}
            steps = {
                mode: issue + work if kind == "cpu" else max(issue, work) for mode, issue in issues.items()
            }
            eager = steps.get("eager", np.nan)
            floor = min(
                [step for mode, step in steps.items() if mode not in (*NEED_PYTHON, *GRAPHS)] or [np.nan]
            )
            for mode, step in steps.items():
                if kind == "cpu":
                    more: Row = {"dispatch_share": 1 - floor / step}
                else:
                    more = {
                        **{"issue_us": issues[mode], "device_us": work, "replay_us": work},
                        **{"dispatch_share": 1 - work / step, "feedable_devices": work / issues[mode]},
                    }
                row = _row(_cell(depth, batch), mode, kind, step, eager, **more)
                if kind == "cpu" and mode in GRAPHS:
                    row |= failed("unsupported", "needs a CUDA device")
                rows.append(row)
    return _finished(rows, change)


def _node(mode: str, controller: str, devices: int, issue: float, work: float) -> tuple[float, float]:
    """Step time and CPU share of a rank on a node with cores for all: one interpreter runs one thread at a time."""
    in_turn = controller == "loop" or (controller == "threads" and mode in NEED_PYTHON)
    host = issue * (devices if in_turn else 1)
    step = max(host, work)
    busy = min(host / step, 1.0) * (devices if controller == "threads" and not in_turn else 1)
    return step, busy


def _two_cores(mode: str, controller: str, devices: int, step: float) -> tuple[float, float]:
    """The same on two cores that are host and device: nothing gets more than both of them."""
    if controller == "loop":
        return step * devices, 1.0
    used = float(min(devices, 2))
    return step * devices / used, used / (devices if controller == "processes" else 1)


def controller_points(
    kind: str = "emulated",
    *,
    depths: Sequence[int] = (64,),
    batches: Sequence[int] = (1,),
    devices: Sequence[int] = (1, 2, 4, 8),
    controllers: Sequence[str] = ("processes", "threads", "loop"),
    modes: Sequence[str] = ("eager", "symbolic", "script", "cudagraph", "native"),
    change: Change = lambda row: None,
) -> pd.DataFrame:
    """On CPU without the modes that capture graphs of a device, on two cores."""
    rows: list[Row] = []
    alone: dict[tuple[Any, ...], float] = {}
    modes = [mode for mode in modes if kind != "cpu" or mode not in GRAPHS]
    for controller in controllers:
        for depth in depths:
            for batch in batches:
                work = work_us(batch) * depth
                for count in devices:
                    cell = _cell(depth, batch, count, controller)
                    eager = np.nan
                    for mode in modes:
                        issue = ISSUE_US[mode] * depth + 3.0
                        if kind == "cpu":
                            step, busy = _two_cores(mode, controller, count, issue + work)
                            more: Row = {
                                "cores": 2,
                                "dispatch_share": 1 - (2.4 * depth + 3 + work) / (issue + work),
                            }
                            if controller != "loop" and count > 2:
                                more["warnings"] = "oversubscribed"
                        else:
                            step, busy = _node(mode, controller, count, issue, work)
                            more = {
                                **{"issue_us": issue, "device_us": work, "cores": 96},
                                **{"dispatch_share": 1 - work / step, "feedable_devices": work / issue},
                            }
                        eager = step if mode == "eager" else eager
                        row = _row(cell, mode, kind, step, eager, host_cpu_share=busy, **more)
                        place = (controller, depth, batch, mode)
                        alone.setdefault(place, row["throughput_samples_s"] if count == 1 else np.nan)
                        row["scaling_efficiency"] = row["throughput_samples_s"] / (count * alone[place])
                        rows.append(row)
    return _finished(rows, change)
