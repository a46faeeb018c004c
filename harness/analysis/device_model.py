"""How far an emulated device's time may be from a real one's: the error of its profile, carried into every row.

In: the table of points, the run's configuration. Out: columns. Must not know records. `_low` and `_high` alone are
always the interval over sessions, which says nothing of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.core.emulated import sound_profile
from harness.core.schema import OK
from harness.kernels.shape import ITEM_BYTES, Shape, sizes_of
from harness.kernels.step import model_error

LOW, HIGH = "device_us_model_low", "device_us_model_high"


def add_device_model(frame: pd.DataFrame, config: dict[str, Any]) -> None:
    """In place: between what device_us would lie on the real device, by the held-out error of the profile's kernels.
    Empty on real devices; for models other than an MLP, whose kernels are not known; and where the profile does not say
    how far it is from them."""
    emulated = (frame["device_kind"] == "emulated") & (frame["status"] == OK) & frame["depth"].notna()
    profile = sound_profile(config.get("emulator")) if emulated.any() else None
    if profile is None:
        return
    strong = config.get("scaling") == "strong"
    known: dict[tuple[object, ...], tuple[float, float]] = {}
    for place in frame.index[emulated]:
        row = frame.loc[place]
        batch = int(row["batch"]) // (int(row["devices"]) if strong else 1)
        key = (*(row[name] for name in ("model", "depth", "width", "workload", "dtype")), batch)
        if key not in known:
            sizes = sizes_of(str(row["model"]), int(row["depth"]), int(row["width"]))
            item = ITEM_BYTES.get(str(row["dtype"]), 4)
            shape = Shape(sizes, max(batch, 1), str(row["workload"]), item)
            known[key] = model_error(shape, profile, str(row["dtype"]))
        low, high = known[key]
        frame.loc[place, [LOW, HIGH]] = [row["device_us"] * low, row["device_us"] * high]


def share_between(rows: pd.DataFrame) -> pd.DataFrame:
    """dispatch_share if the device took as long as device_us_model_high, and as _low: columns low and high; empty where
    that is not known. A step is as long as the longer of issue and device, plus what does not overlap; that stays."""
    rows = rows[["issue_us", "device_us", "step_us", LOW, HIGH]].astype(float)
    issue, device = rows["issue_us"], rows["device_us"]
    apart = rows["step_us"] - np.maximum(issue, device)

    def share(real: pd.Series) -> pd.Series:
        return (1 - real / (apart + np.maximum(issue, real))).clip(0, 1)

    return pd.DataFrame({"low": share(rows[HIGH]), "high": share(rows[LOW])})
