"""Points and timelines as if samplers had run beside."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from synthetic import make_points

from harness.analysis.sampled.over_time import SAMPLES, SPANS, Timeline

ONE_CELL: dict[str, Any] = {
    "depths": (4,),
    "batches": (8,),
}  # few figures are drawn of it beside those asked for
WATTS = {"eager": 300.0, "script": 250.0, "trace": 240.0}


def sampled_points(util: float | None = None, **axes: Any) -> pd.DataFrame:
    """The device works for half of an eager step; NVML says so, or always `util`."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        share = 0.5 if row["mode"] == "eager" else 0.2
        told = 100 * (1 - share) if util is None else util
        apart = abs(told - 100 * (1 - share)) > 10
        return {
            "dispatch_share": share,
            "device_us": row["step_us"] * (1 - share),
            "util_mean_pct": told,
            "sm_active_pct": told / 2,
            "power_mean_w": WATTS[row["mode"]],
            "energy_mj_per_sample": WATTS[row["mode"]] * row["step_us"] / row["batch"] / 1e3,
            "warnings": "utilisation_differs" if apart else "",
        }

    return make_points(**{"device_kind": "cuda", **axes}, change=change)


def timeline(devices: int = 2, cells: int = 3, sessions: int = 1, **more: Any) -> Timeline:
    seconds = np.linspace(0, 60, 200)
    tables = [
        pd.DataFrame(
            {
                "host": "here",
                "device": f"GPU-{n:08x}-1",
                "seconds": seconds,
                "util_pct": 50.0,
                "power_w": 90.0,
            }
        )
        for n in range(devices)
    ]
    edges = np.linspace(5, 55, cells + 1)
    spans = [
        (f"s{at * sessions // cells}", f"batch {at}", "here", start, end)
        for at, (start, end) in enumerate(itertools.pairwise(edges))
    ]
    samples = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SAMPLES))
    return Timeline(samples.assign(**more), pd.DataFrame(spans, columns=list(SPANS)))
