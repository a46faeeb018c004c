"""What every kind of figure is to the one that draws them all.

In: nothing. Out: the interface, and captions that kinds share. Must not know any single kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib.figure
import pandas as pd

from harness.core.warnings import HOLLOW, OVERSUBSCRIBED
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import ModeStyle
from harness.report.table.formats import count
from harness.report.table.slices import Slice
from harness.report.table.tidy import carrying

# How a figure shows that a point has a marked warning.
HOLLOW_MARKERS, STARRED, EITHER = "Hollow", "Starred", "Hollow or starred"
# Lines that are no measurement: an ideal, a limit.
DOTTED: dict[str, Any] = {"linestyle": (0, (2, 2)), "linewidth": 0.8, "zorder": 2}


@dataclass(frozen=True)
class Context:
    """What a figure needs beside its rows: the look of each mode, what `batch` counts in this run, how many devices the
    node of each run has (where that is known), and whether `batch` counts the samples of all devices."""

    styles: Mapping[str, ModeStyle]
    batch_label: str
    installed: Mapping[str, int] = field(default_factory=dict)
    strong: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    without: slice axes that the figure shows itself. drawable: whether a slice has at least two values to
    compare; else the figure is left out. draw: figure and caption of a drawable slice.
    """

    name: str
    title: str
    without: frozenset[str]
    drawable: Callable[[pd.DataFrame], bool]
    draw: Callable[[Slice, Headline, Context], tuple[matplotlib.figure.Figure, str]]


def present(styles: Mapping[str, ModeStyle], rows: pd.DataFrame) -> dict[str, ModeStyle]:
    """The styles of the modes in these rows, in the report's order."""
    modes = set(rows["mode"])
    return {mode: style for mode, style in styles.items() if mode in modes}


def timed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a time that can stand on a logarithmic axis."""
    return rows[rows["ok"] & (rows["step_us"] > 0)]


def measured_on(rows: pd.DataFrame) -> str:
    """For figures that show one device count of several: `measured on 1 device under processes`."""
    devices, controller = int(rows["devices"].iloc[0]), rows["controller"].iloc[0]
    return f"measured on {count(devices, 'device')} under {controller}"


def corners(cells: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most four (depth, batch): shallowest and deepest with their smallest and largest batch."""
    known = sorted(cells)
    picked = []
    for depth in (known[0][0], known[-1][0]):
        batches = [batch for other, batch in known if other == depth]
        picked += [(depth, min(batches)), (depth, max(batches))]
    return sorted(set(picked))


def warned(rows: pd.DataFrame, mark: str = HOLLOW_MARKERS) -> str:
    """A sentence on points with a marked warning; empty where no row has one. mark: how the figure shows them."""
    named = []
    for warning in HOLLOW:
        if number := int(carrying(rows, warning).sum()):
            named.append(f"{warning.name} ({count(number, 'point')})")
    if not named:
        return ""
    text = f" {mark}: {', '.join(named)}; what to do about it stands under Warnings."
    if carrying(rows, OVERSUBSCRIBED).any():
        text += " Where oversubscribed, waiting for a core is part of the time: do not read it as Python overhead."
    return text


def missing(rows: pd.DataFrame) -> str:
    """A sentence on points of this slice that have no value; empty where all are ok."""
    statuses = rows.loc[~rows["ok"], "status"].value_counts()
    if statuses.empty:
        return ""
    counted = ", ".join(f"{number} {status}" for status, number in statuses.items())
    return f" Not shown, since there is no time: {counted}."
