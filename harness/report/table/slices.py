"""Rows that may share a curve.

In: a tidy table. Out: slices (rows alike on every axis that a figure or sentence does not show), their names
in words, and the choice of a few among many. Must not know how anything is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.core import axes
from harness.report.table.formats import count
from harness.report.table.tidy import EMULATED_MARK, controller_rank

# Emulated and measured rows never share a slice, whatever they call their device.
SLICE_AXES = (
    *("run", "device_kind", "device_name", "emulated", "family", "width", "devices"),
    *axes.CELL_NAMES,
    axes.ENVIRONMENT,
)
CELL_AXES = (*SLICE_AXES, "depth", "batch")
# What rows of one run, device and environment differ in, with and without what a step is among it.
WITHIN_DEVICE = frozenset({"family", "width", "devices", *axes.CELL_NAMES})
WITHIN_WORKLOAD = WITHIN_DEVICE - {"workload", axes.AUTOGRAD}


@dataclass(frozen=True)
class Slice:
    """Rows of one value on each axis in `values`."""

    values: dict[str, Any]
    rows: pd.DataFrame

    @property
    def emulated(self) -> bool:
        return bool(self.values["emulated"])


def split(points: pd.DataFrame, without: Collection[str] = ()) -> list[Slice]:
    """Slices in order of first appearance; `without` names the axes that the figure shows itself."""
    names = [name for name in SLICE_AXES if name not in without]
    groups = points.groupby(names, sort=False, dropna=False)
    return [Slice(dict(zip(names, key, strict=True)), rows) for key, rows in groups]


def of_row(row: Mapping[Any, Any] | pd.Series, names: Collection[str] = CELL_AXES) -> dict[str, Any]:
    """A row's values on these axes, as those of a slice are."""
    return {name: row[name] for name in names}


def agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a row can have the values of both: no axis has two."""
    return all(other[name] == value for name, value in one.items() if name in other)


def varying(points: pd.DataFrame) -> frozenset[str]:
    """The slice axes with more than one value: what a name must state to be told from the others."""
    return frozenset(name for name in SLICE_AXES if points[name].nunique() > 1)


def words(values: dict[str, Any], names: Collection[str]) -> list[str]:
    """The values of the axes in `names`: `4 devices`, `width 64`, `train`."""
    uniform = "x*" in str(values.get("family", ""))
    texts = {
        "run": f"run {values.get('run')}",
        "devices": count(int(values.get("devices", 0)), "device"),
        "width": f"width {values.get('width')}",
        "family": f"model {values.get('family')}",
        "workload": str(values.get("workload")),
        "dtype": str(values.get("dtype")),
        "autograd": autograd_words(values),
        "environment": f"environment {values.get('environment')}",
        "controller": str(values.get("controller")),
        "device_name": str(values.get("device_name") or "unnamed device"),
        "device_kind": str(values.get("device_kind")),
        "emulated": EMULATED_MARK if values.get("emulated") else "measured",
    }
    # A uniform model is its width; explicit layer widths say more than the widest of them.
    skipped = "family" if uniform else "width"
    said = ((name, text) for name, text in texts.items() if name in names and name in values and text)
    return [text for name, text in said if name != skipped]


def autograd_words(values: Mapping[str, Any]) -> str:
    """`autograd grad`; empty under train, which always records whatever stands there."""
    return "" if values.get("workload") == "train" else f"autograd {values.get('autograd')}"


def cell_words(depth: int, batch: int, joint: str = ", ") -> str:
    """`depth 64, batch 1`; without the depth where the model has none (0 in a tidy table)."""
    return f"depth {depth}{joint}batch {batch}" if depth else f"batch {batch}"


def undisturbed(rows: pd.DataFrame) -> pd.DataFrame:
    """Those on the fewest devices that were measured, under the first controller: there nobody who issues work
    has to share anything with another."""
    good = rows[rows["ok"]]
    if good.empty:
        return good
    fewest = good["devices"].min()
    first = min(set(good.loc[good["devices"] == fewest, "controller"]), key=controller_rank)
    return rows[(rows["devices"] == fewest) & (rows["controller"] == first)]


def each_with_an_issuer(part: Slice) -> Slice:
    """Of several controllers the rows under the one that gives each device an issuer of its own, or comes nearest."""
    controller = min(set(part.rows["controller"]), key=controller_rank)
    rows = part.rows[part.rows["controller"] == controller]
    return Slice({**part.values, "controller": controller}, rows)


def hardest_cell(rows: pd.DataFrame) -> tuple[int, int]:
    """Depth and batch where issuing costs most beside the work: the deepest model, its smallest batch, among
    cells with the most combinations of controller and device count. rows: at least one."""
    measured = rows[["depth", "batch", "controller", "devices"]].drop_duplicates()
    counts = measured.groupby(["depth", "batch"]).size()
    depth, batch = min(counts.index[counts == counts.max()], key=lambda cell: (-cell[0], cell[1]))
    return int(depth), int(batch)


def chosen(slices: Sequence[Slice], limit: int, asked: Mapping[str, Any] | None = None) -> list[Slice]:
    """At most `limit` slices, in their order: first the one that may hold the row that is asked for, then those that
    show an extreme or a value not yet shown.

    Device counts and widths count at their ends only: the middle is what a reader can best do without.
    """
    if len(slices) <= limit:
        return list(slices)
    ends = {
        name: {min(seen), max(seen)}
        for name in ("devices", "width")
        if (seen := {part.values[name] for part in slices if name in part.values})
    }
    shown: set[Any] = set()
    picked: list[int] = []
    held = next((index for index, part in enumerate(slices) if asked and agree(part.values, asked)), None)
    for turn in range(limit):
        left = (index for index in range(len(slices)) if index not in picked)
        best = -max((*_news(slices[index].values, ends, shown), -index) for index in left)[-1]
        if turn == 0 and held is not None:
            best = held
        picked.append(best)
        items = list(slices[best].values.items())
        shown |= {*items, *itertools.combinations(items, 2)}
    return [slices[index] for index in sorted(picked)]


def _news(values: dict[str, Any], ends: dict[str, set[Any]], shown: set[Any]) -> tuple[int, int]:
    """How much a slice shows that is not shown yet: single values first, then pairs of values.

    Ends of the device counts and widths count double, values between them nothing.
    """
    items = [(name, value) for name, value in values.items() if value in ends.get(name, {value})]
    single = sum(2 if name in ends else 1 for name, value in items if (name, value) not in shown)
    pairs = sum(
        sum(2 if name in ends else 1 for name, _ in pair)
        for pair in itertools.combinations(items, 2)
        if pair not in shown
    )
    return single, pairs
