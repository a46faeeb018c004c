"""What every kind of figure is to the one that draws them all.

In: nothing. Out: the interface, and captions that kinds share. Must not know any single kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import matplotlib.figure
import pandas as pd

from harness.report.figures.sheet import Headline
from harness.report.figures.style import ModeStyle
from harness.report.formats import count
from harness.report.slices import Slice
from harness.report.tidy import MARKED_WARNINGS


@dataclass(frozen=True)
class Context:
    """What a figure needs beside its rows: the look of each mode, and what `batch` counts in this run."""

    styles: Mapping[str, ModeStyle]
    batch_label: str


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


def warned(rows: pd.DataFrame) -> str:
    """A sentence on hollow markers; empty where no row has a marked warning."""
    found = []
    for name in MARKED_WARNINGS:
        number = sum(name in text.replace(" ", "").split(";") for text in rows["warnings"])
        if number:
            found.append(f"{name} ({count(number, 'point')})")
    if not found:
        return ""
    text = f" Hollow or starred: {', '.join(found)}; what to do about it stands under Warnings."
    if any(name.startswith("oversubscribed") for name in found):
        text += " Where oversubscribed, waiting for a core is part of the time: do not read it as Python overhead."
    return text


def missing(rows: pd.DataFrame) -> str:
    """A sentence on points of this slice that have no value; empty where all are ok."""
    statuses = rows.loc[~rows["ok"], "status"].value_counts()
    if statuses.empty:
        return ""
    found = ", ".join(f"{number} {status}" for status, number in statuses.items())
    return f" Not shown, since there is no time: {found}."
