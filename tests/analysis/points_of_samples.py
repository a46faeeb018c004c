"""The points of runs that a made-up sampler ran beside."""

from __future__ import annotations

from typing import Any

from raw_runs import RawRun

from harness.analysis.run import Run, load_run
from harness.core.warnings import names

COLUMNS = ("util_mean_pct", "sm_active_pct", "power_mean_w", "energy_mj_per_sample")


def loaded(raw: RawRun) -> Run:
    return load_run(raw.directory)


def row(raw: RawRun, mode: str = "eager") -> Any:
    return loaded(raw).points.set_index("mode").loc[mode]


def warnings(raw: RawRun, mode: str = "eager") -> set[str]:
    return set(names(row(raw, mode)["warnings"]))


def notes(raw: RawRun) -> str:
    return "\n".join(loaded(raw).notes)


def empty(raw: RawRun) -> bool:
    return bool(loaded(raw).points[list(COLUMNS)].isna().all(axis=None))
