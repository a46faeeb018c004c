"""The few columns and rows that tell most.

In: a tidy table. Out: headers, rows of text, and sentences on what is constant and what is left out. Must not
know where the table is shown.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.device_model import share_between
from harness.core import axes, warnings
from harness.report.table.formats import MISSING, one_line, percent, ratio, significant
from harness.report.table.tidy import EMULATED_MARK

MOST_ROWS = 60

# Left to right; of these only the axes with more than one value become a column.
AXES = ("run", "device_name", *axes.AXES)
WIDEST_TEXT = 32


@dataclass(frozen=True)
class KeyTable:
    """rows: one text per header. numeric: which columns to set flush right."""

    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    constant: str
    omitted: str


def _range(low: float, high: float, shown: object) -> str:
    show = ratio if shown is ratio else significant
    return f"{show(low)} - {show(high)}" if low == low and high == high else MISSING


def _share(row: dict[Hashable, Any], low: float, high: float) -> str:
    """With between what it lies by the error of an emulated device's times."""
    share = row["dispatch_share"]
    if share != share:
        return MISSING
    return percent(share) if low != low else f"{percent(share)} ({percent(low)} - {percent(high)})"


def _chosen(table: pd.DataFrame, limit: int) -> tuple[pd.DataFrame, str]:
    """Some rows in the table's order, and a sentence on the rest.

    Of several controllers what they make of the fewest and of the most devices, eager too; else the rows
    farthest from eager.
    """
    if len(table) <= limit:
        return table, ""
    ends = table[table["devices"].isin([table["devices"].min(), table["devices"].max()])]
    if table["controller"].nunique() > 1 and len(ends) <= limit:
        return ends, _omitted(len(ends), len(table), "those on the fewest and on the most devices")
    speed = table["speedup_vs_eager"].where(table["ok"])
    distance = (speed.where(speed >= 1, 1 / speed.where(speed > 0))).fillna(0.0)
    kept = distance.sort_values(ascending=False, kind="stable").index[:limit]
    return table.loc[sorted(kept)], _omitted(
        limit, len(table), "those with the largest speed-up or slow-down"
    )


def _omitted(shown: int, of: int, which: str) -> str:
    return f"{shown} of {of} rows, {which}; all rows are in points.csv."


def key_table(table: pd.DataFrame, limit: int = MOST_ROWS) -> KeyTable:
    """At most `limit` rows; of more, fewer columns too: what is left out is named, never dropped in silence."""
    many = len(table) > limit
    varied = [name for name in AXES if table[name].nunique() > 1 or (name == "mode" and len(table))]
    # Width and depth say what a uniform model's name says.
    if "model" in varied and len(table[["model", "depth", "width"]].drop_duplicates()) == (
        len(table[["depth", "width"]].drop_duplicates())
    ):
        varied.remove("model")
    same = [name for name in ("device_name", "model", *AXES[3:-1]) if name not in varied and len(table)]
    if axes.ENVIRONMENT in same and (table[axes.ENVIRONMENT] == axes.DEFAULTS[axes.ENVIRONMENT]).all():
        same.remove(axes.ENVIRONMENT)
    if axes.AUTOGRAD in same and (table["workload"] == "train").all():
        same.remove(axes.AUTOGRAD)
    constant = ", ".join(
        one_line(str(table[name].iloc[0]), 60)
        if name in ("device_name", "model")
        else f"{name} {table[name].iloc[0]}"
        for name in same
        if not (name == "model" and {"depth", "width"} & set(varied))
        # 0 where the model has no such size.
        and not (name in axes.SIZES and table[name].iloc[0] == 0)
    )
    shown, omitted = _chosen(table, limit)
    columns: dict[str, list[str]] = {}
    for name in varied:
        none = 0 if name in axes.SIZES else None
        columns[name] = [
            MISSING if value == none else one_line(str(value), WIDEST_TEXT) for value in shown[name]
        ]
    if axes.AUTOGRAD in columns:  # a training step records, whatever stands there
        trains = shown["workload"] == "train"
        pairs = zip(columns[axes.AUTOGRAD], trains, strict=True)
        columns[axes.AUTOGRAD] = [MISSING if train else text for text, train in pairs]
    columns |= _values(shown, many)
    columns = {name: cells for name, cells in columns.items() if name in varied or any(cells)}
    if table["emulated"].any():
        columns["kind"] = ["EMULATED" if emulated else "measured" for emulated in shown["emulated"]]
        constant = f"{EMULATED_MARK}{' (marked rows)' if not table['emulated'].all() else ''}. {constant}"
    headers = list(columns)
    rows = [list(cells) for cells in zip(*columns.values(), strict=True)] if columns else []
    texts = {
        "run",
        "device_name",
        "model",
        "controller",
        "workload",
        "dtype",
        "autograd",
        "environment",
        "mode",
        "warnings",
        "status",
        "kind",
    }
    return KeyTable(
        [name.strip() for name in headers], rows, [h not in texts for h in headers], constant, omitted
    )


def _values(rows: pd.DataFrame, many: bool) -> dict[str, list[str]]:
    records = rows.to_dict("records")
    between = share_between(rows).itertuples(index=False, name=None)
    columns = {
        "step us": [significant(row["step_us"]) for row in records],
        "low - high": [_range(row["step_us_low"], row["step_us_high"], significant) for row in records],
        "x eager": [ratio(row["speedup_vs_eager"]) for row in records],
        "low - high ": [_range(row["speedup_low"], row["speedup_high"], ratio) for row in records],
        "x here": [ratio(row["speedup_vs_here"]) for row in records],
        "low - high  ": [_range(row["vs_here_low"], row["vs_here_high"], ratio) for row in records],
        "dispatch": [_share(row, *each) for row, each in zip(records, between, strict=True)],
        "efficiency": [percent(v) if (v := row["scaling_efficiency"]) == v else MISSING for row in records],
        "warnings": [" ".join(warnings.names(row["warnings"])) for row in records],
        "status": ["" if row["ok"] else row["status"] for row in records],
    }
    if (rows["devices"] == 1).all():
        del columns["efficiency"]  # one device is its own measure
    if many:
        # With several controllers it is what they differ in.
        for name in ("low - high", *(["efficiency"] if rows["controller"].nunique() <= 1 else [])):
            columns.pop(name, None)
    return columns
