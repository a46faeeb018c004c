"""The points that a model of cost can be fitted on, and their two halves.

In: a table of points (columns of schema.COLUMNS). Out: usable rows with helper columns, why rows are refused, which
half each is in. Must not know how anything is fitted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.core import axes, warnings
from harness.core.schema import NO, OK, YES
from harness.costs.overlap import turns
from harness.kernels.shape import ITEM_BYTES, Shape, sizes_of

# Here the core is host and device in one.
SYNCHRONOUS = "cpu"
# Cells of a group below which a half says nothing of the other.
FEWEST_CELLS = 4
GROUP = ("mode", "workload", "dtype", axes.AUTOGRAD, "device_kind", "threads")
HERE = axes.DEFAULTS[axes.ENVIRONMENT]
CELL = axes.SIZES


def shapes_of(rows: pd.DataFrame) -> list[Shape]:
    """The points' models, with their batch on one device."""
    names = ("model", "depth", "width", "per_device", "workload", "dtype")
    return [
        Shape(
            sizes_of(str(model), int(depth), int(width)), int(batch), str(workload), ITEM_BYTES.get(dtype, 4)
        )
        for model, depth, width, batch, workload, dtype in zip(*(rows[name] for name in names), strict=True)
    ]


def usable(points: pd.DataFrame) -> pd.DataFrame:
    """Rows with a step time, with helper columns; a training step on several devices holds the links' time too."""
    rows = points[(points["status"] == OK) & (points["step_us"] > 0) & (points["depth"].fillna(0) > 0)]
    if axes.ENVIRONMENT in rows:  # what a step costs is asked of the environment that one has
        rows = rows[rows[axes.ENVIRONMENT].isin(["", HERE])]
    rows = rows[(rows["workload"] != "train") | (rows["devices"] == 1)].copy()
    rows["crowded"] = [warnings.carries(text, warnings.OVERSUBSCRIBED) for text in rows["warnings"]]
    rows["pushed_back"] = [warnings.carries(text, warnings.BACK_PRESSURE) for text in rows["warnings"]]
    gil = rows["gil"].astype(str) if "gil" in rows else pd.Series("", index=rows.index)
    rows["locked"] = (rows["holds_lock"] == YES) & (gil != NO)
    default = axes.DEFAULTS[axes.AUTOGRAD]
    rows[axes.AUTOGRAD] = rows[axes.AUTOGRAD].replace("", default) if axes.AUTOGRAD in rows else default
    threads = rows["threads"] if "threads" in rows else pd.Series(1, index=rows.index)
    rows["threads"] = pd.to_numeric(threads, errors="coerce").fillna(1).astype(int)
    devices = rows["devices"].astype(int)
    batch = rows["batch"].astype(int)
    # `batch` counts samples per device, or in all under strong scaling: which, the throughput tells.
    samples = rows["throughput_samples_s"] * rows["step_us"] / 1e6
    strong = samples < batch * devices**0.5
    rows["per_device"] = (batch // devices).where(strong & (devices > 1), batch).clip(lower=1)
    rows["turns"] = [turns(*each) for each in zip(rows["controller"], devices, rows["locked"], strict=True)]
    return rows


def split_up(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose step is known as its two parts; on synchronous devices, which have none, all."""
    two = (rows["issue_us"] > 0) & (rows["device_us"] > 0) if "issue_us" in rows else False
    return rows[(rows["device_kind"] == SYNCHRONOUS) | two]


def refusal(rows: pd.DataFrame, good: pd.DataFrame) -> str:
    """Why a group cannot be fitted; empty where it can. good: those of its rows that are not crowded."""
    if good.empty:
        return f"all {len(rows)} points are oversubscribed, and waiting for a core is no cost of a step"
    cells = len(good[list(CELL)].drop_duplicates())
    if cells < FEWEST_CELLS:
        return f"{cells} of at least {FEWEST_CELLS} cells, of which one half is held against the other"
    if good["device_kind"].iloc[0] != SYNCHRONOUS:
        cells = len(split_up(good)[list(CELL)].drop_duplicates())
        if cells < FEWEST_CELLS:
            return f"{cells} of at least {FEWEST_CELLS} cells have an issue_us and a device_us"
    return ""


def halves(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """0 or 1 for each row, as on a checkerboard: neighbours on any axis are in different halves, so that both
    span all ranges."""
    places = sum(rows[name].rank(method="dense").astype(int) for name in CELL)
    half = np.asarray(places % 2, dtype=np.int64)
    if min((half == 0).sum(), (half == 1).sum()) < FEWEST_CELLS // 2:  # cells on a diagonal of the grid
        order = pd.Series(list(zip(*(rows[name] for name in CELL), strict=True))).rank(method="dense")
        half = np.asarray(order.astype(int) % 2, dtype=np.int64)
    return half


def undivided(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows on one device, where they show at least half of the cells; else all, which the model divides."""
    single = rows[rows["devices"] == 1]
    enough = 2 * len(single[list(CELL)].drop_duplicates()) >= len(rows[list(CELL)].drop_duplicates())
    if enough:
        return single
    # On a synchronous device threads overlap issue with work, so that their time has no one divisor.
    divisible = rows[(rows["device_kind"] != SYNCHRONOUS) | (rows["controller"] != "threads")]
    return divisible if len(divisible) >= FEWEST_CELLS // 2 else rows
