"""A map of cells with numbers or words in them, and its colour bar.

In: a panel, a grid of cells, a colour scale. Out: the map on the panel. Must not know modes, nor what is mapped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.figure
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes

from harness.report.figures.drawing.panel import GAP, NUMBERS, Panel, Scale
from harness.report.figures.drawing.style import FONT, ON_DARK, ON_LIGHT

UNSURE = "#ececec"


@dataclass(frozen=True)
class Shades:
    """A colour scale. palette: seaborn's name for it; low, high: the values at its ends."""

    palette: str
    low: float
    high: float

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Square:
    """A number with its place on the colour scale, or, where value is NaN, a word."""

    text: str
    value: float = math.nan
    unsure: bool = False


def ink(colour: Sequence[float]) -> str:
    """Black or white, whichever has the higher contrast on a colour (relative luminance of WCAG 2)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return ON_DARK if luminance < 0.179 else ON_LIGHT


def shade_of(shades: Shades, value: float) -> tuple[float, float, float, float]:
    """The colour of a value, red, green, blue and opacity from 0 to 1."""
    red, green, blue, opacity = sns.color_palette(shades.palette, as_cmap=True)(shades.share(value))
    return red, green, blue, opacity


def bare_axes(panel: Panel) -> Axes:
    """seaborn and imshow want axes; they get bare ones of the panel's size."""
    width, height = panel.figure.get_size_inches()
    place = (panel.left / width, panel.bottom / height, panel.width / width, panel.height / height)
    axes = panel.figure.add_axes(place)
    axes.axis("off")
    return axes


def paint(panel: Panel, grid: list[list[Square]], shades: Shades) -> None:
    """Rows from top to bottom."""
    panel.x, panel.y = Scale(-0.5, len(grid[0]) - 0.5), Scale(len(grid) - 0.5, -0.5)
    values = np.array([[cell.value for cell in line] for line in grid])
    axes = bare_axes(panel)
    sns.heatmap(
        values,
        ax=axes,
        mask=np.isnan(values),
        vmin=shades.low,
        vmax=shades.high,
        cmap=shades.palette,
        annot=np.array([[cell.text for cell in line] for line in grid], dtype=object),
        fmt="",
        annot_kws={"size": FONT - 1},
        cbar=False,
        linewidths=1,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    colours = sns.color_palette(shades.palette, as_cmap=True)
    for text in axes.texts:
        x, y = text.get_position()
        text.set_color(ink(colours(shades.share(values[int(y), int(x)]))))
    for y, line in enumerate(grid):
        for x, cell in enumerate(line):
            if math.isnan(cell.value):
                _word(panel, x, y, cell)


def _word(panel: Panel, x: int, y: int, cell: Square) -> None:
    left, right = panel.across([x - 0.5, x + 0.5]).tolist()
    bottom, top = panel.up([y + 0.5, y - 0.5]).tolist()
    look: dict[str, Any] = {"facecolor": UNSURE} if cell.unsure else {"facecolor": "white", "hatch": "////"}
    panel.rectangle(left, bottom, right - left, top - bottom, edgecolor="#dddddd", linewidth=0.8, **look)
    style: dict[str, Any] = {"style": "italic", "size": FONT - 1}
    if not cell.unsure:
        # A long word gets smaller letters; it must not run into the next cell.
        style = {"size": min(FONT - 1, 60 / max(len(cell.text), 1))}
        style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    panel.text(
        (left + right) / 2, (bottom + top) / 2, cell.text, ha="center", va="center", color="#666666", **style
    )


def numbers(panel: Panel, rows: Sequence[int | str], columns: Sequence[int]) -> None:
    """Numbers of the rows and columns, outside the outer panels."""
    if panel.lowest:
        for place, number in zip(panel.across(range(len(columns))), columns, strict=True):
            panel.text(place, panel.bottom - GAP, str(number), ha="center", va="top", size=NUMBERS)
    if panel.leftmost:
        for place, name in zip(panel.up(range(len(rows))), rows, strict=True):
            panel.text(panel.left - GAP, place, str(name), ha="right", va="center", size=NUMBERS)


def colour_bar(
    figure: matplotlib.figure.Figure,
    shades: Shades,
    ticks: Mapping[float, str],
    left: float,
    bottom: float,
    width: float,
) -> None:
    """ticks: texts by the value at which they stand. All places in inches."""
    bar = Panel(figure, left, bottom, width, 0.1, True, False, 0.0, Scale(shades.low, shades.high))
    colours = sns.color_palette(shades.palette, as_cmap=True)
    bare_axes(bar).imshow(np.linspace(0, 1, 256)[None, :], cmap=colours, aspect="auto")
    for value, text in ticks.items():
        place = float(bar.across([value])[0])
        bar.text(place, bottom - GAP, text, ha="center", va="top", size=NUMBERS)
