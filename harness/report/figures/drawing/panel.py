"""A panel of a figure, drawn in inches.

In: a place on the figure, limits, values. Out: lines, bars, grid and numbers there. Must not know what is shown.
matplotlib's own axes with their ticks and their search for room take most of the time of a figure, and every
place is known here beforehand: so values are turned into inches and drawn straight onto the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.figure
import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle

from harness.report.figures.drawing.style import FONT, FRAME, GRID
from harness.report.table.formats import plain

NUMBERS = FONT - 0.5  # size of the numbers along the edges
GAP = 0.06  # inches between the edge and its numbers
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """What lies between two edges; the limits of a logarithmic scale are positive."""

    low: float
    high: float
    logarithmic: bool = False

    def share(self, values: Iterable[float] | Floats) -> Floats:
        """Where the values lie: 0 at the low edge, 1 at the high one; NaN stays NaN."""
        numbers: Floats = np.asarray(list(values), dtype=np.float64)
        low, high = self.low, self.high
        if self.logarithmic:
            numbers, low, high = np.log(numbers), math.log(low), math.log(high)
        shares: Floats = (numbers - low) / (high - low)
        return shares


@dataclass
class Panel:
    """A rectangle on the figure, in inches from its lower left corner. x and y are set before anything is drawn.

    lowest, leftmost: whether this panel carries the numbers and names of its column and row.
    """

    figure: matplotlib.figure.Figure
    left: float
    bottom: float
    width: float
    height: float
    lowest: bool
    leftmost: bool
    name_at: float  # how far left of the panel the name of the y axis stands
    x: Scale = Scale(0, 1)
    y: Scale = Scale(0, 1)

    @property
    def _inches(self) -> Any:
        return self.figure.dpi_scale_trans

    def across(self, values: Iterable[float] | Floats) -> Floats:
        return self.left + self.width * self.x.share(values)

    def up(self, values: Iterable[float] | Floats) -> Floats:
        return self.bottom + self.height * self.y.share(values)

    def text(self, x: float, y: float, text: str, **look: Any) -> None:
        """x and y in inches on the figure."""
        self.figure.text(x, y, text, transform=self._inches, **look)

    def rectangle(self, x: float, y: float, width: float, height: float, **look: Any) -> None:
        self.figure.add_artist(Rectangle((x, y), width, height, transform=self._inches, **look))

    def frame(self) -> None:
        box = (self.left, self.bottom, self.width, self.height)
        self.rectangle(*box, facecolor="none", edgecolor=FRAME, linewidth=1.0, zorder=0.8)

    def title(self, text: str) -> None:
        self.text(
            self.left + self.width / 2, self.bottom + self.height + 0.07, text, ha="center", va="bottom"
        )

    def name_x(self, text: str) -> None:
        self.text(self.left + self.width / 2, self.bottom - 0.25, text, ha="center", va="top")

    def name_y(self, text: str) -> None:
        look = {"ha": "left", "va": "center", "rotation": 90, "multialignment": "center"}
        self.text(self.left - self.name_at, self.bottom + self.height / 2, text, **look)

    def line(self, xs: Iterable[float] | Floats, ys: Iterable[float] | Floats, **look: Any) -> None:
        """A curve through points given as values."""
        line = Line2D(self.across(xs).tolist(), self.up(ys).tolist(), transform=self._inches, **look)
        self.figure.add_artist(line)

    def polygon(self, xs: Iterable[float] | Floats, ys: Iterable[float] | Floats, **look: Any) -> None:
        """A filled area with corners given as values."""
        corners = list(zip(self.across(xs).tolist(), self.up(ys).tolist(), strict=True))
        self.figure.add_artist(Polygon(corners, closed=True, transform=self._inches, **look))

    def segments(self, ends: Sequence[Sequence[tuple[float, float]]], **look: Any) -> None:
        """Straight lines between pairs of points in inches, as one artist."""
        self.figure.add_artist(LineCollection(list(ends), transform=self._inches, **look))

    def grid_x(self, values: Sequence[float], labels: Sequence[str] | None = None) -> None:
        """Vertical lines, their numbers below where this panel is the lowest."""
        places = self.across(values).tolist()
        top = self.bottom + self.height
        self._grid([[(place, self.bottom), (place, top)] for place in places])
        if self.lowest:
            for place, text in zip(places, labels or [plain(value) for value in values], strict=True):
                self.text(place, self.bottom - GAP, text, ha="center", va="top", size=NUMBERS)

    def grid_y(self, values: Sequence[float]) -> None:
        """Horizontal lines, their numbers beside where this panel is the leftmost."""
        places = self.up(values).tolist()
        right = self.left + self.width
        self._grid([[(self.left, place), (right, place)] for place in places])
        if self.leftmost:
            for place, value in zip(places, values, strict=True):
                self.text(self.left - GAP, place, plain(value), ha="right", va="center", size=NUMBERS)

    def _grid(self, lines: list[list[tuple[float, float]]]) -> None:
        if lines:
            self.segments(lines, colors=GRID, linewidths=0.7, zorder=0.5)
