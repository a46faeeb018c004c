"""A curve per mode in a panel per depth or batch: what several kinds of figure look like.

In: rows with columns y, low and high. Out: a sheet with its curves drawn. Must not know what y is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.report.figures.drawing.series import draw_modes
from harness.report.figures.drawing.sheet import Headline, Sheet, hollow_entry, legend_entry, sheet
from harness.report.figures.drawing.ticks import log_y, measured_x
from harness.report.figures.kind import Context, present
from harness.report.table.formats import listed

MOST_PANELS = 9


@dataclass(frozen=True)
class Curves:
    """paper: the sheet, its axes not yet named. rows: those that are drawn. shown: the panels' values.
    note: which panels were left out, for the caption; empty where all are there."""

    paper: Sheet
    rows: pd.DataFrame
    shown: list[int]
    note: str


def evenly(values: list[int], limit: int) -> list[int]:
    """At most `limit` of the values, both ends among them."""
    if len(values) <= limit:
        return values
    return [values[index] for index in np.linspace(0, len(values) - 1, limit).round().astype(int)]


def draw_curves(
    rows: pd.DataFrame,
    headline: Headline,
    context: Context,
    *,
    x: str,
    panels: str,
    values: list[int],
    plural: str,
    reach: Sequence[float] = (),
    handles: Sequence[Any] = (),
) -> Curves:
    """Both axes logarithmic and shared by all panels.

    panels: the column with a panel for each of `values`; plural: its name for more than one.
    reach: further values that the y axis must hold. handles: further entries of the legend.
    """
    shown = evenly(values, MOST_PANELS)
    rows = rows[rows[panels].isin(shown)]
    styles = present(context.styles, rows)
    entries = [*(legend_entry(mode, style) for mode, style in styles.items()), *handles]
    entries += [hollow_entry()] if rows["marked"].any() else []
    size = (4.4, 2.9) if len(shown) == 1 else (2.5, 2.0)
    paper = sheet(headline, len(shown), size, handles=entries, columns=2 if len(shown) in (2, 4) else 3)
    low = min([rows[["y", "low"]].min(axis=None), *reach])
    high = max([rows[["y", "high"]].max(axis=None), *reach])
    for value, panel in zip(shown, paper.panels, strict=True):
        measured_x(panel, rows[x])
        log_y(panel, low, high)
        draw_modes(panel, rows[rows[panels] == value], styles, x=x)
        panel.title(f"{panels} {value}" if value else "")  # a depth that the model has not
    left = len(values) - len(shown)
    note = f" Drawn: {plural} {listed(shown)} of {len(values)}; the others are in the table." if left else ""
    return Curves(paper, rows, shown, note)
