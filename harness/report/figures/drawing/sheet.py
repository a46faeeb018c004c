"""A figure's paper: title, panels, legend and margins, all placed in inches.

In: titles and the number and size of panels. Out: a matplotlib figure with empty panels. Must not know the
data. Places are computed, not found by trial drawing: each trial would cost as much as the figure itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.figure
from matplotlib.lines import Line2D

from harness.report.figures.drawing.panel import Panel
from harness.report.figures.drawing.style import ALARM, FAINT, FONT, INK, ModeStyle
from harness.report.table.formats import wrapped
from harness.report.table.tidy import EMULATED_MARK

LINE = 0.17  # one line of text, inches
LETTER = 0.6 * FONT / 72  # width of an average letter, inches


@dataclass(frozen=True)
class Headline:
    """What stands over a figure: what it shows, of which slice, on which device."""

    title: str
    subtitle: str
    emulated: bool = False


@dataclass(frozen=True)
class Sheet:
    """A figure with its panels in rows."""

    figure: matplotlib.figure.Figure
    rows: list[list[Panel]]

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row]

    def name_axes(self, x: str, y: str) -> None:
        """Names of the axes, once per row and column; without what stands in brackets where that has no room."""
        for panel in self.panels:
            if panel.lowest:
                panel.name_x(x if len(x) * LETTER <= panel.width else x.partition(" (")[0])
            if panel.leftmost and y:
                panel.name_y(y)


def legend_entry(label: str, style: ModeStyle, **changes: Any) -> Line2D:
    """A line and marker as the mode is drawn."""
    look = {
        "color": style.colour,
        "marker": style.marker,
        "linestyle": style.dash,
        "markersize": 5.0 * style.size,
        **changes,
    }
    return Line2D([], [], label=label, **look)


def hollow_entry(label: str = "hollow: with a warning") -> Line2D:
    return Line2D([], [], label=label, color=FAINT, marker="o", markerfacecolor="white", linestyle="none")


def _legend_columns(handles: Sequence[Any], width: float) -> int:
    widest = max(len(str(handle.get_label())) for handle in handles) * LETTER + 0.55
    return max(1, min(len(handles), int(width / widest)))


def sheet(
    headline: Headline,
    count: int,
    size: tuple[float, float],
    *,
    columns: int = 3,
    handles: Sequence[Any] = (),
    left: float = 0.72,
    right: float = 0.2,
    below: float = 0.5,
    gaps: tuple[float, float] = (0.2, 0.32),
) -> Sheet:
    """`count` panels of `size` inches, at most `columns` side by side, the legend under them.

    left, right, below: room for labels around all panels; gaps: between panels, across and down.
    """
    across = min(count, columns)
    down = math.ceil(count / columns)
    across_gap, down_gap = gaps
    # Room for the title even over a single small panel.
    width = max(left + across * size[0] + (across - 1) * across_gap + right, 5.4)
    letters = int((width - 0.2) / LETTER)
    title = wrapped(headline.title, int(letters / 1.2)) or [""]
    subtitle = wrapped(headline.subtitle, letters)[:3]
    lines = len(title) * 1.25 + len(subtitle) + (1.3 if headline.emulated else 0)
    above = lines * LINE + 0.42
    legend_columns = _legend_columns(handles, width - 0.2) if handles else 1
    legend_rows = math.ceil(len(handles) / legend_columns)
    bottom = below + legend_rows * 0.19 + (0.1 if handles else 0)
    height = above + down * size[1] + (down - 1) * down_gap + bottom
    figure = matplotlib.figure.Figure(figsize=(width, height))
    _write_headline(figure, title, subtitle, headline.emulated)
    rows = _panels(figure, count, size, columns, (left, height - above), gaps)
    if handles:
        figure.legend(
            handles=list(handles),
            loc="lower center",
            bbox_to_anchor=(0.5, 0.02 / height),
            ncol=legend_columns,
            borderaxespad=0.2,
            columnspacing=1.4,
            handlelength=2.4,
        )
    return Sheet(figure, rows)


def _panels(
    figure: matplotlib.figure.Figure,
    count: int,
    size: tuple[float, float],
    columns: int,
    corner: tuple[float, float],
    gaps: tuple[float, float],
) -> list[list[Panel]]:
    """Panels with their frames, row by row from the upper left `corner`."""
    left, top = corner
    across_gap, down_gap = gaps
    rows: list[list[Panel]] = []
    for index in range(count):
        row, column = divmod(index, columns)
        x = left + column * (size[0] + across_gap)
        y = top - (row + 1) * size[1] - row * down_gap
        if column == 0:
            rows.append([])
        # Without a panel below it, a panel is the lowest of its column, in whichever row.
        panel = Panel(figure, x, y, *size, index + columns >= count, column == 0, left - 0.06)
        panel.frame()
        rows[-1].append(panel)
    return rows


def _write_headline(
    figure: matplotlib.figure.Figure, title: list[str], subtitle: list[str], emulated: bool
) -> None:
    width, height = figure.get_size_inches()
    at = height - 0.08
    texts: list[tuple[str, dict[str, Any], float]] = [
        (line, {"size": FONT + 1.5, "weight": "bold", "color": INK}, 1.25) for line in title
    ]
    texts += [(line, {"size": FONT, "color": "#555555"}, 1.0) for line in subtitle]
    if emulated:
        texts.append((EMULATED_MARK, {"size": FONT + 1.5, "weight": "bold", "color": ALARM}, 1.3))
    for line, look, lines in texts:
        figure.text(0.1 / width, at / height, line, va="top", ha="left", **look)
        at -= lines * LINE
