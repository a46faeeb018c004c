"""Crossovers as data: for a page that slides the threshold, and as a table.

In: a table of points; crossovers. Out: plain values that JSON takes, rows. Must not know pages or files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.core import axes
from harness.crossover.find import crossings
from harness.crossover.grids import GROUP, grids
from harness.crossover.values import (
    DEFAULT_THRESHOLD,
    SHARE,
    THRESHOLDS,
    At,
    Crossover,
    as_value,
)
from harness.crossover.words import deepest

# Of a page: more would be a list that nobody looks through.
MOST_MAPS = 24
# Columns of crossover.csv.
COLUMNS: dict[str, str] = {
    "run": "label of the run; only where there are several",
    "kind": "share: dispatch_share of eager; gain: what part of eager's step the cell's fastest mode saves",
    "threshold": "the share or gain below which the interpreter is said to stop mattering",
    "measured": "measured, or predicted for a device that was not",
    "device": "the device's name, or the profile's",
    **{name: f"as in points.csv: {name}" for name in ("device_kind", "family", "width", "devices")},
    **{name: f"as in points.csv: {name}" for name in (*axes.CELL_NAMES, axes.ENVIRONMENT)},
    "depth": "layers; empty for models that have no depth",
    "side": "crossed; beyond: not up to the largest batch; below: already at the smallest",
    "batch": "from which on the value stays below the threshold; empty unless crossed",
    "batch_low": "lower end of its 95 % interval; empty where that is below the smallest batch",
    "batch_high": "upper end; empty where that is beyond the largest batch",
    "least_batch": "smallest batch that is known at this depth",
    "most_batch": "largest",
    "model": "what stands between the cells",
}


def crossovers(points: pd.DataFrame, thresholds: Sequence[float] = (DEFAULT_THRESHOLD,)) -> list[Crossover]:
    """Of every grid of a table of points (of one run, or of several with a column `run`), tidy or not; for each
    threshold one."""
    return [found for grid in grids(points).grids for found in crossings(grid, thresholds)]


def crossover_data(found: Iterable[Crossover]) -> dict[str, Any]:
    """What a page needs to draw every map and to slide its threshold. found: measured ones (`crossovers` of THRESHOLDS)
    and predicted ones, of each map all thresholds.

    `thresholds`; `default`: which of them is shown first; `maps`: one for each grid, with `kind`, `of` (its value on
    every other axis), `cells` (depth, batch, value, low, high, known, mode), `model`, `notes` and `contours`, one for
    each threshold: `said` and `at`, a list of [depth, batch, low, high, side, least, most, measured]; None where there
    is no such batch. `more`: maps that are left out, beyond the MOST_MAPS with the most cells. `predicted`: the same of
    devices that were not measured, at most MOST_MAPS, without cells; `placed` of each contour: whether it is known
    where it lies. Names of devices and modes are the table's own: a page must escape them.
    """
    maps: dict[tuple[object, ...], list[Crossover]] = {}
    for each in found:
        maps.setdefault((each.predicted, each.kind, *each.of.items()), []).append(each)
    measured = [of for of in maps.values() if not of[0].predicted]
    predicted = [of for of in maps.values() if of[0].predicted]
    most = sorted(range(len(measured)), key=lambda place: -len(measured[place][0].cells))[:MOST_MAPS]
    return {
        "thresholds": list(THRESHOLDS),
        "default": THRESHOLDS.index(DEFAULT_THRESHOLD),
        "maps": [_map(measured[place]) for place in sorted(most)],
        "more": len(measured) - len(most) + max(len(predicted) - MOST_MAPS, 0),
        "predicted": [_predicted(of) for of in predicted[:MOST_MAPS]],
    }


def _map(each: Sequence[Crossover]) -> dict[str, Any]:
    """each: one for each threshold."""
    first = each[0]
    return {
        "kind": first.kind,
        "of": dict(first.of),
        "cells": [
            {
                "depth": cell.depth,
                "batch": cell.batch,
                "value": _short(as_value(first.kind, cell.log_ratio)),
                "low": _short(as_value(first.kind, cell.log_ratio - 2 * cell.sd)),
                "high": _short(as_value(first.kind, cell.log_ratio + 2 * cell.sd)),
                "known": cell.known,
                "mode": cell.mode,
            }
            for cell in first.cells
        ],
        "model": first.model,
        "notes": list(first.notes),
        "contours": [_contour(found) for found in each],
    }


def _predicted(each: Sequence[Crossover]) -> dict[str, Any]:
    contours = [{**_contour(found), "placed": deepest(found.contour).placed} for found in each]
    first = each[0]
    return {
        "kind": first.kind,
        "of": dict(first.of),
        "model": first.model,
        "notes": list(first.notes),
        "contours": contours,
    }


def _contour(found: Crossover) -> dict[str, Any]:
    return {"threshold": found.threshold, "said": found.said, "at": [_at(at) for at in found.contour]}


def _at(at: At) -> list[Any]:
    numbers = (at.depth, at.batch, at.low, at.high)
    depth, *batches = (_short(number) for number in numbers)
    ends = [batch if batch else None for batch in batches]
    return [depth, *ends, at.side, at.least, at.most, at.measured]


def _short(number: float) -> float | None:
    return float(f"{number:.6g}") if math.isfinite(number) else None


def rows(found: Iterable[Crossover]) -> pd.DataFrame:
    """Columns of COLUMNS, for depths that were measured; `run` only where some crossover has one."""
    made = [_row(each, at) for each in found for at in each.contour if at.measured]
    table = pd.DataFrame(made, columns=list(COLUMNS))
    return table if any(table["run"]) else table.drop(columns="run")


def _row(each: Crossover, at: At) -> dict[str, Any]:
    of: Mapping[str, Any] = each.of
    return {
        **{name: of.get(name, "") for name in GROUP if name in COLUMNS},
        "kind": each.kind,
        "threshold": each.threshold,
        "measured": "predicted" if each.predicted else "measured",
        "device": of.get("device_name", ""),
        "depth": at.depth or None,
        "side": at.side,
        "batch": at.batch if at.side == "crossed" else None,
        "batch_low": at.low if 0 < at.low < math.inf else None,
        "batch_high": at.high if 0 < at.high < math.inf else None,
        "least_batch": at.least,
        "most_batch": at.most,
        "model": each.model,
    }


def main_crossover(points: pd.DataFrame) -> Crossover | None:
    """The one to put first: of eager's dispatch share on the fewest devices; of several the one with the most cells."""
    found = grids(points).grids
    if not found:
        return None
    best = min(found, key=lambda grid: (grid.kind != SHARE, grid.of["devices"], -len(grid.cells)))
    return crossings(best, [DEFAULT_THRESHOLD])[0]
