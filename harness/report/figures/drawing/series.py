"""Curves of measured points with their intervals.

In: rows of one panel, columns for x, y, low and high. Out: lines on the panel. Must not know what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.report.figures.drawing.panel import Panel
from harness.report.figures.drawing.style import ModeStyle

MARKER_SIZE = 5.0


def draw_modes(
    panel: Panel,
    rows: pd.DataFrame,
    styles: Mapping[str, ModeStyle],
    *,
    x: str,
    y: str = "y",
    interval: tuple[str, str] | None = ("low", "high"),
    by: str = "mode",
) -> None:
    """One curve for each value of `by`, in the look of `styles`; 95 % intervals as bars; points with a marked
    warning hollow."""
    # Once out of pandas: a selection of rows costs more there than the line that is drawn of it.
    part = rows[rows[y].notna()].sort_values(x)
    names, marked = part[by].to_numpy(), part["marked"].to_numpy(dtype=bool)
    numbers = part[[x, y, *(interval or (y, y))]].to_numpy(dtype=float)
    bars: list[list[tuple[float, float]]] = []
    colours: list[str] = []
    for name, style in styles.items():
        here = names == name
        if not here.any():
            continue
        xs, ys, lows, highs = numbers[here].T
        hollow = marked[here]
        look: dict[str, Any] = {"color": style.colour, "marker": style.marker}
        look["markersize"] = MARKER_SIZE * style.size
        solid = np.flatnonzero(~hollow).tolist()
        panel.line(
            xs, ys, linestyle=style.dash, linewidth=1.4 * style.size, markevery=solid, zorder=3, **look
        )
        if hollow.any():
            look["markerfacecolor"] = "white"
            panel.line(xs[hollow], ys[hollow], linestyle="none", zorder=3.1, **look)
        if interval:
            ends = zip(panel.across(xs), panel.up(lows), panel.up(highs), strict=True)
            known = [[(at, bottom), (at, top)] for at, bottom, top in ends if bottom <= top]
            bars += known
            colours += [style.colour] * len(known)
    if bars:
        panel.segments(bars, colors=colours, linewidths=1.1, zorder=2.5)
