"""Columns that compare points: scaling efficiency with one device, dispatch share with the fastest mode.

In: the points' table with `scaling` beside its columns. Out: the table, completed. Must not
know records.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core import axes, warnings
from harness.core.schema import NO

# How far NVML's utilisation may be from the share of a step in which the device works, in percentage points.
UTILISATION_AGREES = 10.0


def add_relations(frame: pd.DataFrame) -> None:
    """In place."""
    if frame.empty:
        return
    frame["scaling_efficiency"] = _scaling_efficiency(frame)
    frame["dispatch_share"] = _dispatch_share(frame)
    frame["feedable_devices"] = frame["device_us"] / frame["issue_us"]
    busy = 100 * (1 - frame["dispatch_share"])
    apart = (frame["util_mean_pct"] - busy).abs() > UTILISATION_AGREES
    frame.loc[apart, "warnings"] = [
        warnings.added(text, warnings.UTILISATION_DIFFERS) for text in frame.loc[apart, "warnings"]
    ]


def _scaling_efficiency(frame: pd.DataFrame) -> pd.Series[float]:
    others = [*(axis for axis in axes.AXES if axis != "devices"), axes.SCALING]
    alone = frame[frame["devices"] == 1]
    places = zip(alone[others].itertuples(index=False, name=None), alone["throughput_samples_s"], strict=True)
    single = dict(places)
    base = pd.Series([single.get(row, np.nan) for row in frame[others].itertuples(index=False, name=None)])
    devices = frame["devices"].astype("float64")
    return frame["throughput_samples_s"] / (devices * base.to_numpy(dtype="float64"))


def _dispatch_share(frame: pd.DataFrame) -> pd.Series[float]:
    """On CPU the core is host and device in one; what is left without Python is the fastest mode that leaves Python
    out. On other devices the share comes from device_us."""
    on_cpu = frame["device_kind"] == "cpu"
    floor = (
        frame["step_us"]
        .where((frame["needs_python"] == NO) & on_cpu)
        .groupby([frame[axis] for axis in axes.CELL])
        .transform("min")
    )
    return (1 - floor / frame["step_us"]).where(
        # A device that is never kept waiting takes as long as the step but for noise, which is no share.
        on_cpu,
        (1 - frame["device_us"] / frame["step_us"]).clip(lower=0),
    )
