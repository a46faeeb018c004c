"""Where the interpreter stops mattering: a map over depth and batch with the contour and its band.

In: a slice. Out: figure and caption. Must not know other kinds, nor how contours are found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from harness.core.schema import REFERENCE_MODE
from harness.core.stats.verdicts import UNDECIDED
from harness.crossover.find import crossings
from harness.crossover.grids import grids
from harness.crossover.surface import Surface, surface
from harness.crossover.values import (
    CROSSED,
    DEFAULT_THRESHOLD,
    GAIN,
    SHARE,
    Cell,
    Crossover,
    Grid,
    as_value,
)
from harness.crossover.words import TITLES
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
from harness.report.figures.kind import STARRED, Context, Kind, warned
from harness.report.table.slices import Slice

SHADES = Shades("flare", 0.0, 1.0)
TICKS = {share / 4: f"{25 * share} %" for share in range(5)}
# Thin lines beside the contour that the sentence is of.
FURTHER = {0.25: (0, (4, 1.5)), 0.5: (0, (1, 1.2))}
SIZE, WIDE = (3.7, 2.5), (6.3, 3.0)
# Lightens the cells that it lies on.
BAND = (ON_DARK, 0.5)
DOT: dict[str, Any] = {
    **{"marker": "o", "markersize": 4, "linestyle": "none"},
    **{"color": INK, "markeredgecolor": "white", "markeredgewidth": 0.8},
}
# Numbers of cells that still have room.
MOST_NUMBERS = 42
LEFT, BAR = 0.72, 3.2
# Between the panels and the legend, for the name of the axis and the colour bar.
BELOW_PANELS = 1.12
# A number stands to the other side of its dot from a line that is nearer, in inches.
CLEAR = 0.3


def drawable(rows: pd.DataFrame) -> bool:
    return any(grid.kind == SHARE for grid in _maps(rows))


def _maps(rows: pd.DataFrame) -> list[Grid]:
    """Grids of at least two depths and two batches, in one unit: what part of eager's step would be saved. What the
    fastest mode saves is left out where on a CPU that mode is everywhere the measure of the share: it would be drawn
    twice."""
    free = set(rows.loc[rows["python_free"], "mode"])
    made = []
    for grid in grids(rows).grids:
        if not _drawn(grid.cells):
            continue
        drawn_twice = grid.of["device_kind"] == "cpu" and {cell.mode for cell in grid.cells} <= free
        if grid.kind != GAIN or not drawn_twice:
            made.append(grid)
    return made


def _drawn(cells: tuple[Cell, ...]) -> bool:
    least = min(len({cell.depth for cell in cells}), len({cell.batch for cell in cells}))
    return least >= 2 and len(cells) >= 4 and all(cell.depth for cell in cells)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    maps = _maps(part.rows)
    paper = sheet(
        headline,
        len(maps),
        SIZE if len(maps) > 1 else WIDE,
        columns=2,
        handles=_handles(),
        left=LEFT,
        below=BELOW_PANELS,
        gaps=(0.2, 0.36),
    )
    said: list[str] = []
    marks = ""
    for grid, panel in zip(maps, paper.panels, strict=True):
        found = surface(grid)
        main, *further = crossings(grid, [DEFAULT_THRESHOLD, *FURTHER], found)
        own = _marks(grid, part.rows)
        _draw_map(panel, grid, found, main, further, own)
        marks += "".join(own.values())
        panel.title(TITLES[grid.kind])
        said.append(f"{main.said} Between the cells: {main.model}.")
        said += [note for note in main.notes if note not in said]
    paper.name_axes(context.batch_label, "depth (layers)")
    bar = paper.panels[-1].bottom - BELOW_PANELS + 0.28
    colour_bar(paper.figure, SHADES, TICKS, LEFT, bar, BAR)
    look: dict[str, Any] = {"ha": "left", "va": "bottom", "size": FONT - 0.5}
    paper.panels[0].text(
        LEFT, bar + 0.15, "colours, numbers and lines: part of eager's step that would be saved", **look
    )
    starred = warned(part.rows, STARRED) if "*" in marks else ""
    return paper.figure, _caption(part, [grid.kind for grid in maps], marks, said) + starred


def _marks(grid: Grid, rows: pd.DataFrame) -> dict[tuple[int, int], str]:
    """What stands behind the number of each cell: ~ where it is undecided, * where a point that it rests on has a
    marked warning."""
    rows = rows[rows["ok"] & (rows["family"] == grid.of["family"])]
    free = rows[rows["python_free"] & (rows["device_kind"] == "cpu")].sort_values("step_us")
    fastest = free.drop_duplicates(["depth", "batch"]).set_index(["depth", "batch"])["mode"].to_dict()
    points = {(str(row["mode"]), row["depth"], row["batch"]): row for row in rows.to_dict("records")}
    marks = {}
    for cell in grid.cells:
        place = cell.depth, cell.batch
        eager = points.get((REFERENCE_MODE, *place), {})
        other = points.get((cell.mode or fastest.get(place, REFERENCE_MODE), *place), {})
        undecided = other.get("verdict") == UNDECIDED if grid.kind == GAIN else eager.get("share_undecided")
        marks[place] = (" ~" if undecided else "") + (
            "*" if eager.get("marked") or other.get("marked") else ""
        )
    return marks


def _draw_map(
    panel: Panel,
    grid: Grid,
    found: Surface,
    main: Crossover,
    further: list[Crossover],
    marks: Mapping[tuple[int, int], str],
) -> None:
    """marks: what stands behind the number of a cell."""
    log_panel(panel, [cell.batch for cell in grid.cells], [cell.depth for cell in grid.cells])
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
        panel.line([cell.batch], [cell.depth], zorder=3, **DOT)
        if len(grid.cells) <= MOST_NUMBERS:
            _number(panel, grid, cell, marks[cell.depth, cell.batch], [main, *further])


def _number(panel: Panel, grid: Grid, cell: Cell, mark: str, lines: Sequence[Crossover]) -> None:
    """Beside the dot, within the surface and away from lines, which stop around it."""
    x, y = float(panel.across([cell.batch])[0]), float(panel.up([cell.depth])[0])
    top = cell.depth == max(each.depth for each in grid.cells)
    batches = sorted({each.batch for each in grid.cells})
    crossed = [at.batch for each in lines if (at := each.at(cell.depth)) and at.side == CROSSED]
    nearest = min((place - x for place in panel.across(crossed).tolist()), key=abs, default=math.inf)
    beside = "center" if abs(nearest) > CLEAR else "right" if nearest > 0 else "left"
    ha = {batches[0]: "left", batches[-1]: "right"}.get(cell.batch, beside)
    # The same everywhere in the report: a share that noise made negative is none.
    value = min(max(as_value(grid.kind, cell.log_ratio), 0.0), 1.0)
    ground = shade_of(SHADES, value)
    panel.text(
        *(x, y - 0.06 if top else y + 0.06, f"{round(100 * value)} %{mark}"),
        ha=ha,
        va="top" if top else "bottom",
        size=FONT - 2,
        color=ink(ground),
        zorder=3.1,
        path_effects=[withStroke(linewidth=2.5, foreground=to_hex((ground[0], ground[1], ground[2])))],
    )


def _handles() -> list[Line2D | Patch]:
    limit = f"{100 * DEFAULT_THRESHOLD:g} %"
    return [
        Line2D([], [], color=INK, linewidth=1.8, label=f"below {limit} from here on"),
        Patch(facecolor=BAND, edgecolor=INK, linewidth=0.6, label="its 95 % interval"),
        *(
            Line2D([], [], color=INK, linewidth=0.9, linestyle=dash, label=f"{100 * value:g} %")
            for value, dash in FURTHER.items()
        ),
        Line2D([], [], label="measured cell", **DOT),
        Line2D([], [], color=INK, marker=">", linestyle="none", label="lies beyond"),
    ]


def _caption(part: Slice, kinds: Sequence[str], marks: str, said: list[str]) -> str:
    how = (
        "against the cell's fastest mode without Python"
        if part.values["device_kind"] == "cpu"
        else "of which the device waits"
    )
    fastest = "; beside it what the cell's fastest mode saves" if GAIN in kinds else ""
    undecided = (
        " Undecided (~): beyond noise neither a difference is shown nor that there is none."
        if "~" in marks
        else ""
    )
    return (
        "Where the interpreter stops mattering. Colours, numbers and lines are the part of eager's step that would be "
        f"saved: dispatch share ({how}){fastest}. Dots are measured cells with their value; between them a model, and "
        "white where nothing was measured on both sides. An arrow at the edge: the line lies beyond what "
        f"was measured.{undecided} {' '.join(said)}"
    )


KIND = Kind("crossover", "Where the interpreter stops mattering", frozenset(), drawable, draw)
