"""The grids of a table: cells that differ in depth and batch only, with their values and errors.

In: a table of points (columns of schema.COLUMNS; `run` where there are several), tidy or not. Out: grids, and why
there is none of others. Must not know models, contours or figures.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.families import family_of
from harness.core import axes, warnings
from harness.core.schema import NO, OK, REFERENCE_MODE, ends
from harness.core.stats.intervals import t_quantile
from harness.core.stats.spread import ASSUMED_DRIFT
from harness.crossover.values import GAIN, KINDS, SHARE, Cell, Grid, as_log_ratio

GROUP = (
    "run",
    "device_kind",
    "device_name",
    "family",
    "width",
    "devices",
    *axes.CELL_NAMES,
    axes.ENVIRONMENT,
)
COLUMN = {SHARE: "dispatch_share", GAIN: "speedup_vs_eager"}
# A share of all of the step is a time of 0, which is noise.
MOST_SHARE = 0.999
# Nor is any step so many times as long as another; what says so is no measurement.
MOST_LOG = math.log(1e4)
# A table may be anybody's: more values of an axis than this are thinned out evenly, both ends kept.
MOST_VALUES = 40
MOST_GRIDS = 400
# Each cell's variance is drawn towards that of all, as if they had so many degrees of freedom (Smyth, Statistical
# Applications in Genetics and Molecular Biology 3, 2004): a cell's own has as few as its sessions less one.
PRIOR_DOF = 4.0
LEAST_SD = 1e-3


@dataclass(frozen=True)
class Grids:
    """refused: why there is no grid, a sentence each."""

    grids: list[Grid]
    refused: list[str]


def grids(points: pd.DataFrame) -> Grids:
    """Of every kind, in order of first appearance. Needs two batches at one depth at least."""
    table = _prepared(points)
    found: list[Grid] = []
    refused: list[str] = []
    for key, rows in table.groupby(list(GROUP), sort=False, dropna=False):
        of = {name: _plain(value) for name, value in zip(GROUP, key, strict=True)}
        for kind in KINDS:
            cells = _cells(rows, kind)
            if _enough(cells):
                found.append(Grid(kind, of, tuple(_pooled(_thinned(cells)))))
            elif reason := _why(rows, kind, cells):
                refused.append(f"No map of {_named(of)}: {reason}.")
    return Grids(found[:MOST_GRIDS], list(dict.fromkeys(refused))[:MOST_GRIDS])


def _prepared(points: pd.DataFrame) -> pd.DataFrame:
    """Rows with a time, and the columns of GROUP; oversubscribed rows only where there are no others."""
    rows = points[(points["status"] == OK)].copy()
    for name in (*axes.COUNTS, "step_us", "sessions", *_figures()):
        column = rows[name] if name in rows else pd.Series(np.nan, index=rows.index)
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
        rows[name] = np.where(np.isfinite(numbers), numbers, np.nan)
    rows["depth"], rows["width"] = rows["depth"].fillna(0), rows["width"].fillna(0)
    rows = rows[(rows["batch"] >= 1) & (rows["devices"] >= 1) & (rows["step_us"] > 0) & (rows["depth"] >= 0)]
    if "family" not in rows:
        pairs = zip(rows["model"], rows["depth"], strict=True)
        rows["family"] = pd.Series(
            [family_of(str(m), int(d)) for m, d in pairs], index=rows.index, dtype=object
        )
    for name in GROUP:
        if name not in rows:
            rows[name] = axes.DEFAULTS.get(name, "")
    crowded = [warnings.carries(str(text), warnings.OVERSUBSCRIBED) for text in rows["warnings"]]
    return rows if all(crowded) else rows[~np.array(crowded, dtype=bool)]


def _figures() -> Iterable[str]:
    return (name for column in COLUMN.values() for name in (column, *ends(column)))


def _cells(rows: pd.DataFrame, kind: str) -> list[Cell]:
    column = COLUMN[kind]
    own = rows[(rows["mode"] == REFERENCE_MODE) == (kind == SHARE)]
    if kind == SHARE:
        own = own[own[column] < 1]
        # On CPU a mode without Python is the measure: without one there is nothing to compare with.
        free = rows[rows["needs_python"] == NO]
        beside = pd.MultiIndex.from_frame(free[["depth", "batch"]])
        own = own[
            (own["device_kind"] != "cpu") | pd.MultiIndex.from_frame(own[["depth", "batch"]]).isin(beside)
        ]
    else:
        # The fastest of each cell; of equals the first by name, however the table is sorted.
        own = own[own[column] > 0].sort_values([column, "mode"], ascending=[False, True], kind="stable")
    own = own[own[column].notna()].drop_duplicates(["depth", "batch"]).sort_values(["depth", "batch"])
    return [_cell(row, kind) for row in own.to_dict("records")]


def _cell(row: Mapping[Hashable, Any], kind: str) -> Cell:
    low, high = ends(COLUMN[kind])
    value, *edges = (_log_ratio(row[name], kind) for name in (COLUMN[kind], low, high))
    dof = row["sessions"] - 1
    sd = (edges[1] - edges[0]) / 2 / t_quantile(dof) if dof >= 1 else math.nan
    known = math.isfinite(sd) and sd >= 0
    mode = str(row["mode"]) if kind == GAIN else ""
    return Cell(
        int(row["depth"]),
        int(row["batch"]),
        value,
        sd if known else math.nan,
        dof if known else 0.0,
        known,
        mode,
    )


def _log_ratio(value: float, kind: str) -> float:
    if kind == GAIN:
        found = math.log(value) if value > 0 else math.nan
    else:
        found = as_log_ratio(SHARE, min(value, MOST_SHARE))
    return min(max(found, -MOST_LOG), MOST_LOG) if found == found else math.nan


def _pooled(cells: Sequence[Cell]) -> Iterable[Cell]:
    known = [cell.sd for cell in cells if cell.known]
    usual = max(math.sqrt(float(np.mean(np.square(known)))) if known else ASSUMED_DRIFT.sd, LEAST_SD)
    for cell in cells:
        own = cell.dof * cell.sd**2 if cell.known else 0.0
        dof = PRIOR_DOF + cell.dof
        yield replace(cell, sd=math.sqrt((PRIOR_DOF * usual**2 + own) / dof), dof=dof)


def _enough(cells: Sequence[Cell]) -> bool:
    batches: dict[int, int] = {}
    for cell in cells:
        batches[cell.depth] = batches.get(cell.depth, 0) + 1
    return max(batches.values(), default=0) >= 2


def _thinned(cells: Sequence[Cell]) -> list[Cell]:
    depths, batches = (_evenly({getattr(cell, name) for cell in cells}) for name in ("depth", "batch"))
    return [cell for cell in cells if cell.depth in depths and cell.batch in batches]


def _evenly(values: set[int]) -> set[int]:
    ordered = sorted(values)
    if len(ordered) <= MOST_VALUES:
        return values
    return {ordered[round(place)] for place in np.linspace(0, len(ordered) - 1, MOST_VALUES)}


def _why(rows: pd.DataFrame, kind: str, cells: Sequence[Cell]) -> str:
    if rows["batch"].nunique() < 2:
        return "one batch alone was measured"
    if cells:
        return "fewer than two batches of any depth have a value"
    if not (rows["mode"] == REFERENCE_MODE).any():
        return f"{REFERENCE_MODE} was not measured"
    if kind == SHARE:
        return f"{REFERENCE_MODE} has no dispatch share, as on a CPU without a mode that leaves Python out"
    return f"no mode was measured beside {REFERENCE_MODE}"


def _named(of: Mapping[str, Any]) -> str:
    names = ("device_name", "family", "workload", "dtype", axes.AUTOGRAD, "controller")
    said = [str(of[name]) for name in names if of.get(name)]
    return ", ".join([*said, f"{of['devices']} devices"])


def _plain(value: Any) -> Any:
    """A number or a text, as JSON has them."""
    if isinstance(value, float | np.floating | int | np.integer) and not isinstance(value, bool):
        return int(value) if math.isfinite(value) else 0
    return "" if value is None else str(value)
