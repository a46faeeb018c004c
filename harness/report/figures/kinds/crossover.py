"""Where the interpreter stops mattering: a map over depth and batch with the contour and its band.

In: a slice. Out: figure and caption. Must not know other kinds, nor how contours are found.
"""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.crossover.find import crossings
from harness.crossover.grids import grids
from harness.crossover.surface import Surface, surface
from harness.crossover.values import DEFAULT_THRESHOLD, GAIN, SHARE, Cell, Crossover, Grid, as_value
from harness.report.figures.drawing.contours import (
    draw_band,
    draw_contour,
    draw_ends,
    log_panel,
    paint_surface,
)
from harness.report.figures.drawing.heatmap import Shades, colour_bar, ink, shade_of
from harness.report.figures.drawing.panel import Panel
from harness.report.figures.drawing.sheet import Headline, sheet
from harness.report.figures.drawing.style import FONT, INK, ON_DARK
from harness.report.figures.kind import Context, Kind, warned
from harness.report.table.slices import Slice

SHADES = Shades("flare", 0.0, 1.0)
TICKS = {share / 4: f"{25 * share} %" for share in range(5)}
# Thin lines beside the contour that the sentence is of.
FURTHER = {0.25: (0, (4, 1.5)), 0.5: (0, (1, 1.2))}
TITLES = {SHARE: "dispatch share of eager", GAIN: "gain of the fastest mode"}
SIZE = (3.7, 2.5)
# Lightens the cells that it lies on.
BAND = (ON_DARK, 0.5)
DOT: dict[str, Any] = {
    **{"marker": "o", "markersize": 3.6, "linestyle": "none"},
    **{"color": "white", "markeredgecolor": INK, "markeredgewidth": 0.7},
}
# Numbers of cells that still have room.
MOST_NUMBERS = 42
LEFT, BAR = 0.72, 3.2


def drawable(rows: pd.DataFrame) -> bool:
    return any(grid.kind == SHARE for grid in _maps(rows))


def _maps(rows: pd.DataFrame) -> list[Grid]:
    """Grids of at least two depths and two batches."""
    return [
        grid
        for grid in grids(rows).grids
        if min(len({cell.depth for cell in grid.cells}), len({cell.batch for cell in grid.cells})) >= 2
        and len(grid.cells) >= 4
        and all(cell.depth for cell in grid.cells)
    ]


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    maps = _maps(part.rows)
    paper = sheet(
        headline,
        len(maps),
        SIZE,
        columns=2,
        handles=_handles(),
        left=LEFT,
        below=0.92,
        gaps=(0.2, 0.36),
    )
    said = []
    for grid, panel in zip(maps, paper.panels, strict=True):
        found = surface(grid)
        main, *further = crossings(grid, [DEFAULT_THRESHOLD, *FURTHER], found)
        _draw_map(panel, grid, found, main, further)
        panel.title(TITLES[grid.kind])
        said.append(f"{main.said} Between the cells: {main.model}.")
        said += [note for note in main.notes if note not in said]
    paper.name_axes(context.batch_label, "depth (layers)")
    colour_bar(paper.figure, SHADES, TICKS, LEFT, 0.7, BAR)
    beside = paper.panels[0]
    beside.text(
        LEFT + BAR + 0.25,
        0.75,
        "part of eager's step that would be saved",
        ha="left",
        va="center",
        size=FONT - 0.5,
    )
    return paper.figure, _caption(part, said)


def _draw_map(panel: Panel, grid: Grid, found: Surface, main: Crossover, further: list[Crossover]) -> None:
    log_panel(panel, [cell.batch for cell in grid.cells], [cell.depth for cell in grid.cells])
    # Both kinds in one unit: what part of eager's step would be saved.
    saved = -np.expm1(-found.log_ratio)
    paint_surface(panel, saved.clip(0, 1), found.known, found.depths, found.batches, SHADES)
    draw_band(panel, main.contour, facecolor=BAND, edgecolor=INK, linewidth=0.6, zorder=2.2)
    for each in further:
        draw_contour(
            panel, each.contour, color=INK, linewidth=0.9, linestyle=FURTHER[each.threshold], zorder=2.4
        )
    draw_contour(panel, main.contour, color="white", linewidth=3.4, zorder=2.5)
    draw_contour(panel, main.contour, color=INK, linewidth=1.8, zorder=2.6)
    draw_ends(panel, main.contour, color=INK, markersize=6, markeredgecolor="white", zorder=3.2)
    for cell in grid.cells:
        colour = ink(shade_of(SHADES, min(max(as_value(SHARE, cell.log_ratio), 0.0), 1.0)))
        panel.line([cell.batch], [cell.depth], zorder=3, **DOT)
        if len(grid.cells) <= MOST_NUMBERS:
            _number(panel, grid, cell, colour)


def _number(panel: Panel, grid: Grid, cell: Cell, colour: str) -> None:
    """Beside the dot, within the surface."""
    x, y = float(panel.across([cell.batch])[0]), float(panel.up([cell.depth])[0])
    top = cell.depth == max(each.depth for each in grid.cells)
    batches = sorted({each.batch for each in grid.cells})
    ha = {batches[0]: "left", batches[-1]: "right"}.get(cell.batch, "center")
    text = f"{round(100 * as_value(grid.kind, cell.log_ratio))} %"
    look = {"size": FONT - 2, "color": colour, "zorder": 3.1}
    panel.text(x, y - 0.06 if top else y + 0.06, text, ha=ha, va="top" if top else "bottom", **look)


def _handles() -> list[Line2D | Patch]:
    limit = f"{100 * DEFAULT_THRESHOLD:g} %"
    return [
        Line2D([], [], color=INK, linewidth=1.8, label=f"below {limit} from here on"),
        Patch(facecolor=BAND, edgecolor=INK, linewidth=0.6, label="95 % interval"),
        *(
            Line2D([], [], color=INK, linewidth=0.9, linestyle=dash, label=f"{100 * value:g} %")
            for value, dash in FURTHER.items()
        ),
        Line2D([], [], label="measured", **DOT),
        Line2D([], [], color=INK, marker=">", linestyle="none", label="lies beyond"),
    ]


def _caption(part: Slice, said: list[str]) -> str:
    how = (
        "against the cell's fastest mode without Python"
        if part.values["device_kind"] == "cpu"
        else "of which the device waits"
    )
    return (
        "Where the interpreter stops mattering. Colour: the part of eager's step that would be saved (dispatch share: "
        f"{how}; gain: by the cell's fastest mode). Dots are measured cells, with their share or gain; between them a "
        "model, and white where nothing was measured on both sides. An arrow at the edge: the contour lies beyond what "
        f"was measured. {' '.join(said)}{warned(part.rows)}"
    )


KIND = Kind("crossover", "Where the interpreter stops mattering", frozenset(), drawable, draw)
