"""One row of the points' table, from the rounds of its point.

In: complete measurements, what was planned, what was sampled. Out: a Row per point. Must not know other rows, but for
the reference mode's in the same rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.analysis.collect import Collected, MeasuredCell
from harness.analysis.planned import Planned
from harness.analysis.rounds import Rounds, Series, median
from harness.analysis.row_warnings import row_warnings
from harness.analysis.sampled.join import Join
from harness.analysis.sampled.samples import Sampling
from harness.analysis.sampled.window import Rank, Steady, Window
from harness.core import schema, warnings
from harness.core.numbers import is_number, whole_number
from harness.core.stats import Interval, median_interval
from harness.core.warnings import PointWarning


@dataclass
class Row:
    """values: column (of schema.COLUMNS) -> value. steady: how it was sampled; None where it was not held for that."""

    values: dict[str, Any]
    warnings: list[PointWarning] = field(default_factory=list)
    steady: Steady | None = None


def measured_rows(
    collected: Collected, planned: Mapping[str, Planned], cores: int | None, samplings: list[Sampling]
) -> dict[str, Row]:
    """Point key -> its row, from complete measurements; the first one of a point counts. cores: of a node."""
    if collected.blocks.empty:
        return {}
    rounds = Rounds(collected.blocks)
    join = Join(samplings, [rank for ranks in collected.ranks.values() for rank in ranks])
    rows: dict[str, Row] = {}
    for cell in collected.measured:
        session = cell.session["session"]
        series = {
            key: rounds.of(session, key) for key in cell.keys if key in planned and (session, key) in rounds
        }
        reference = next((own for key, own in series.items() if planned[key].is_reference), None)
        for key, own in series.items():
            if key not in rows:
                rows[key] = row = _row(cell, own, reference, planned[key], cores)
                windows = collected.windows.get((session, key), [])
                _add_samples(row, planned[key], join, windows, own, collected.ranks[session])
    return rows


def _row(
    cell: MeasuredCell, own: Series, reference: Series | None, planned: Planned, cores: int | None
) -> Row:
    step = median_interval(own["slowest_ns"].tolist())
    speedup = _speedup(own, reference)
    values = {
        "status": schema.OK,
        **_of_steps(own, step, planned),
        **_of_host(own, cell.session),
        **_of_preparation(cell.prepared.get(planned.key, [])),
    }
    width = step.relative_half_width
    if speedup is not None:
        values |= {
            "speedup_vs_eager": speedup.median,
            "speedup_low": speedup.low,
            "speedup_high": speedup.high,
        }
        if not planned.is_reference:
            width = speedup.relative_half_width
    return Row(values, list(row_warnings(cell, own, planned, cores, width)))


def _of_steps(own: Series, step: Interval, planned: Planned) -> dict[str, Any]:
    seconds = (own["end_ns"] - own["start_ns"]) / 1e9
    # The slowest device's; where ranks wait for each other within a step, that of the one that came
    # last and so waited least: the others' time contains waiting for it.
    device_ns = own["device_min_ns" if planned.axes["workload"] == "train" else "device_max_ns"]
    return {
        "step_us": step.median / 1e3,
        "step_us_low": step.low / 1e3,
        "step_us_high": step.high / 1e3,
        "issue_us": median(own["issue_ns"]) / 1e3,
        "device_us": median(device_ns) / 1e3,
        "throughput_samples_s": float(np.median(planned.samples_a_step * own["steps"] / seconds)),
        "rank_spread": float(np.median(own["slowest_ns"] / own["fastest_ns"] - 1)),
        "rounds": len(own["round"]),
        "steps": int(own["steps"].sum()),
    }


def _of_host(own: Series, session: dict[str, Any]) -> dict[str, Any]:
    return {
        "device_kind": session["device_kind"],
        "device_name": session["device_name"],
        "host_cpu_share": median(own["cpu_share"]),
        "main_thread_share": median(own["main_share"]),
        "waits_s": median(own["waits_s"]),
        "preemptions_s": median(own["preemptions_s"]),
        "threads": whole_number(session.get("threads")),
        "cores": whole_number(session.get("cores")),
        "gil": schema.yes_no(session.get("gil")),
    }


def _of_preparation(prepared: list[dict[str, Any]]) -> dict[str, Any]:
    """prepared: what each rank said when the mode was prepared."""
    launches = (n for p in prepared if (n := whole_number(p.get("launches"))) is not None)
    return {
        "launches": max(launches, default=None),
        "replay_us": _largest(prepared, "replay_ns") / 1e3,
        "prepare_s": max((p["prepare_s"] for p in prepared), default=np.nan),
        "first_call_s": max((p["first_call_s"] for p in prepared), default=np.nan),
        "memory_peak_mib": _largest(prepared, "memory_peak_mib"),
    }


def _largest(prepared: list[dict[str, Any]], name: str) -> float:
    """NaN where no rank said it."""
    return max((float(p[name]) for p in prepared if is_number(p.get(name))), default=float("nan"))


def _speedup(own: Series, reference: Series | None) -> Interval | None:
    """Over the reference mode, paired in the rounds that both have; None where there are none."""
    if reference is None:
        return None
    _, ours, theirs = np.intersect1d(own["round"], reference["round"], return_indices=True)
    ratios = reference["slowest_ns"][theirs] / own["slowest_ns"][ours]
    return median_interval(ratios.tolist()) if len(ratios) else None


def _add_samples(
    row: Row, planned: Planned, join: Join, windows: list[Window], own: Series, ranks: list[Rank]
) -> None:
    row.steady = steady = join.steady(windows)
    if steady:
        row.values |= {
            "util_mean_pct": steady.util_pct,
            "sm_active_pct": steady.sm_active_pct,
            "power_mean_w": steady.power_w,
            "energy_mj_per_sample": steady.joules_a_step / planned.samples_a_step * 1e3,
        }
        if steady.throttled:
            row.warnings.append(warnings.THROTTLED)
    times = [int(own["start_ns"].min()), int(own["end_ns"].max())]
    times += [at for window in windows for at in (window.start_ns, window.end_ns)]
    if join.shared(ranks, min(times), max(times)):
        row.warnings.append(warnings.SHARED)
