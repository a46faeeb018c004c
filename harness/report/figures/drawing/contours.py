"""Contours over depth and batch with their bands, and the surface under them.

In: a panel, a contour, a surface. Out: they are on the panel. Must not know what the values mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns

from harness.crossover.lattice import Bools, Floats, weights
from harness.crossover.values import BELOW, BEYOND, At
from harness.report.figures.drawing.heatmap import Shades, bare_axes
from harness.report.figures.drawing.panel import NUMBERS, Panel, Scale
from harness.report.figures.drawing.ticks import spaced

# Of the surface's picture: more would not be seen.
PIXELS = (180, 120)
MARGIN = 0.07


def log_panel(panel: Panel, batches: Sequence[float], depths: Sequence[float]) -> None:
    """Both axes logarithmic, numbers at these values; at least two different ones each."""
    scales = []
    for values in (batches, depths):
        margin = (max(values) / min(values)) ** MARGIN
        scales.append(Scale(min(values) / margin, max(values) * margin, logarithmic=True))
    panel.x, panel.y = scales
    shown = sorted({float(value) for value in batches})
    panel.grid_x(spaced(shown, panel.across(shown).tolist()))
    ordered = sorted({float(value) for value in depths})
    places = panel.up(ordered).tolist()
    kept = [ordered[0]]
    for place, value in zip(places[1:], ordered[1:], strict=True):
        if place - float(panel.up([kept[-1]])[0]) >= 1.6 * NUMBERS / 72:
            kept.append(value)
    panel.grid_y(kept)


def paint_surface(
    panel: Panel, values: Floats, known: Bools, depths: Floats, batches: Floats, shades: Shades
) -> None:
    """values, known: depths x batches; what is not known stays white."""
    fine_b, fine_d = (
        np.geomspace(axis[0], axis[-1], count) for axis, count in zip((batches, depths), PIXELS, strict=True)
    )
    across_d, across_b = weights(depths, fine_d)[0], weights(batches, fine_b)[0]
    picture = across_d @ values @ across_b.T
    hidden = (across_d > 0).astype(float) @ (~known).astype(float) @ (across_b > 0).astype(float).T > 0
    axes = bare_axes(panel)
    axes.set_zorder(0.6)  # over the grid, under the frame
    left, right = panel.x.share([batches[0], batches[-1]]).tolist()
    bottom, top = panel.y.share([depths[0], depths[-1]]).tolist()
    axes.imshow(
        np.ma.masked_array(picture, hidden),
        cmap=sns.color_palette(shades.palette, as_cmap=True),
        vmin=shades.low,
        vmax=shades.high,
        extent=(left, right, bottom, top),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def draw_band(panel: Panel, contour: Sequence[At], **look: Any) -> None:
    """The interval at each depth, cut where nothing is known; where it holds everything there is none."""
    for part in _stretches(list(contour), lambda at: at.known):
        if len(part) > 1:
            lows = [min(max(at.low, at.least), at.most) for at in part]
            highs = [max(min(at.high, at.most), at.least) for at in part]
            ys = [at.depth for at in part]
            panel.polygon([*lows, *highs[::-1]], [*ys, *ys[::-1]], **look)


def draw_contour(panel: Panel, contour: Sequence[At], **look: Any) -> None:
    """The line where the contour is among what is known, and on to the edge where at the next depth it lies outside."""
    for line in (line for part in _stretches(list(contour), lambda _: True) for line in _lines(part)):
        panel.line([batch for batch, _ in line], [depth for _, depth in line], **look)


def _lines(part: Sequence[At]) -> list[list[tuple[float, float]]]:
    """Batches and depths of each piece of the line."""
    lines: list[list[tuple[float, float]]] = [[]]
    inside = [False, *(at.side not in (BELOW, BEYOND) for at in part), False]
    for place, at in enumerate(part, start=1):
        if inside[place]:
            lines[-1].append((at.batch, at.depth))
            continue
        edge = (at.least if at.side == BELOW else at.most, at.depth)
        lines[-1] += [edge] if inside[place - 1] else []
        lines.append([edge] if inside[place + 1] else [])
    return [line for line in lines if line]


def draw_ends(panel: Panel, contour: Sequence[At], **look: Any) -> None:
    """An arrow at the edge, at each measured depth whose contour lies outside."""
    for at in contour:
        if at.measured and at.side in (BELOW, BEYOND):
            place, marker = (at.most, ">") if at.side == BEYOND else (at.least, "<")
            panel.line([place], [at.depth], marker=marker, linestyle="none", **look)


def _stretches(contour: list[At], wanted: Any) -> list[list[At]]:
    parts: list[list[At]] = [[]]
    for at in contour:
        if wanted(at) and at.depth > 0 and not math.isnan(at.batch):
            parts[-1].append(at)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
