"""Seconds of 1,000 calls, a row a framework and a mark a mode, by its style.

In: a slice over environments. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from typing import Any

import matplotlib.figure
from matplotlib.lines import Line2D

from harness.core.schema import HYBRID, IMPERATIVE, STYLES, SYMBOLIC
from harness.report.figures.drawing.bar_rows import row_name, word_in_row
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import LETTER, Headline, hollow_entry, sheet
from harness.report.figures.drawing.style import FAINT
from harness.report.figures.drawing.ticks import log_ticks, spaced
from harness.report.figures.kind import Context, Kind, missing, warned
from harness.report.table.frameworks import WITHOUT, Comparison, Framework, Way, compared, is_compared
from harness.report.table.slices import Slice, cell_words

# Inches: of a row, from one mark's line to the next within it, and of the letters beside a mark.
ROW, STEP, SMALL = 0.12, 0.155, 7
WIDTH = 5.2
LOOKS: dict[str, dict[str, Any]] = {
    IMPERATIVE: {"color": "#d55e00", "marker": "o"},
    SYMBOLIC: {"color": "#0072b2", "marker": "s"},
    HYBRID: {"color": "#009e73", "marker": "D"},
    "": {"color": FAINT, "marker": "^"},
}
SAYS = {
    IMPERATIVE: "imperative: operation by operation",
    SYMBOLIC: "symbolic: a graph is written down first",
    HYBRID: "hybrid: a graph of a program that runs by itself too",
    "": "of no known style",
}


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    found = compared(part)
    ways = [way for framework in found.frameworks for way in framework.timed]
    styles = [style for style in (*STYLES, "") if any(_style(way) == style for way in ways)]
    handles = [
        Line2D([], [], label=SAYS[style], linestyle="none", markersize=5, **LOOKS[style]) for style in styles
    ]
    handles += [hollow_entry()] if any(way.row["marked"] for way in ways) else []
    heights = [ROW + STEP * max(len(framework.timed), 1) for framework in found.frameworks]
    left = max(len(_named(framework)) for framework in found.frameworks) * LETTER + 0.35
    paper = sheet(headline, 1, (WIDTH, sum(heights)), columns=1, handles=handles, left=left, below=0.5)
    (panel,) = paper.panels
    _scale(panel, ways)
    panel.title(cell_words(*found.cell))
    top = panel.bottom + panel.height
    for framework, height in zip(found.frameworks, heights, strict=True):
        if top < panel.bottom + panel.height:
            line = [(panel.left, top), (panel.left + panel.width, top)]
            panel.segments([line], colors="#d8d8d8", linewidths=0.8, zorder=0.6)
        _row(panel, top, height, framework)
        top -= height
    panel.name_x("seconds per 1,000 calls")
    return paper.figure, _caption(found) + warned(part.rows) + missing(_shown(found))


def _named(framework: Framework) -> str:
    """With as much of its version as tells it from others."""
    return f"{framework.name} {framework.version.split('+')[0].split(' ')[0]}".strip()


def _style(way: Way) -> str:
    return way.style if way.style in LOOKS else ""


def _scale(panel: Panel, ways: list[Way]) -> None:
    """Logarithmic, with room at the right for what a mark is."""
    values = [value for way in ways for value in _ends(way) if value > 0]
    low, high = min(values), max(values)
    longest = max(len(way.mode) for way in ways) * 0.6 * SMALL / 72 + 0.15
    span = (high / low) ** (1 / max(1 - longest / WIDTH - 0.08, 0.3)) if high > low else 2.0
    panel.x = Scale(low / span**0.04, low * span**0.96, logarithmic=True)
    ticks = log_ticks(panel.x.low, panel.x.high)
    panel.grid_x(spaced(ticks, panel.across(ticks).tolist()))


def _ends(way: Way) -> tuple[float, ...]:
    return way.seconds.estimate, way.seconds.low, way.seconds.high


def _row(panel: Panel, top: float, height: float, framework: Framework) -> None:
    """top: of the row, in inches."""
    row_name(panel, top - height / 2, _named(framework))
    if not framework.timed:
        statuses = sorted({str(way.row["status"]) for way in framework.ways})
        word_in_row(panel, top - height / 2, ", ".join(statuses))
    for place, way in enumerate(framework.timed):
        y = top - ROW / 2 - STEP * (place + 0.5)
        look = LOOKS[_style(way)]
        at, low, high = panel.across(_ends(way)).tolist()
        end = at
        if low <= high:  # neither where the interval is not known
            panel.segments([[(low, y), (high, y)]], colors=look["color"], linewidths=1.4, zorder=2)
            end = high
        face = "white" if way.row["marked"] else look["color"]
        mark = Line2D(
            [at],
            [y],
            transform=panel.figure.dpi_scale_trans,
            markersize=5,
            markerfacecolor=face,
            zorder=3,
            **look,
        )
        panel.figure.add_artist(mark)
        panel.text(max(end, at) + 0.08, y, way.mode, ha="left", va="center", size=SMALL)


def _shown(found: Comparison) -> Any:
    rows, (depth, batch) = found.part.rows, found.cell
    return rows[(rows["depth"] == depth) & (rows["batch"] == batch)]


def _caption(found: Comparison) -> str:
    return (
        f"Seconds that 1,000 calls take at {cell_words(*found.cell)}, a row a framework, the one with the fastest mode "
        "first, a mark a mode with its 95 % interval; the axis is logarithmic, and left is faster. Each framework at "
        "its own version, on this machine."
    )


KIND = Kind("frameworks", "Imperative, symbolic, hybrid", WITHOUT, is_compared, draw)
