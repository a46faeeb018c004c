"""A value over depth and batch: through the measured cells, and between them by the model that knows left-out cells
best.

In: a Grid. Out: a Surface: the estimate and draws of it. Must not know thresholds, tables or figures.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from harness.crossover.lattice import Bools, Floats, falling, filled, neighbours, weights
from harness.crossover.shapes import SHAPES, Shape, fit_shape
from harness.crossover.values import Cell, Grid

# Draws of all cells within their intervals: their 2.5th and 97.5th percentile are known to a few per cent.
DRAWS = 300
# Values to an octave of batch, and between two depths that were measured.
PER_OCTAVE, MOST_BATCHES = 8, 160
BETWEEN_DEPTHS, MOST_DEPTHS = 4, 49
# Left-out cells below which they say nothing of a model.
FEWEST_LEFT_OUT = 3
MOST_LEFT_OUT = 120
# An error of the ratio is one of the batch times the share that is dispatch (ln r falls with ln batch at that rate,
# where nothing but dispatch is saved): errors are kept in that unit, so that steep places count as flat ones do.
LEAST_SHARE = 0.05
# A cell may be moved so far by what must not rise, in standard errors; else the rise is real.
MOST_MOVED = 3.0


@dataclass(frozen=True)
class Surface:
    """log_ratio: depths x batches, the estimate. draws: the same, many times, of what it may be. known: where it rests
    on cells beside it. nodes: log ratios at the measured depths and batches. model_error: of left-out cells, NaN where
    there are too few; in the unit of LEAST_SHARE. rises: whether the value is shown to rise with the batch."""

    depths: Floats
    batches: Floats
    log_ratio: Floats
    draws: Floats
    known: Bools
    node_depths: Floats
    node_batches: Floats
    shape: Shape
    model_error: float
    rises: bool


def surface(grid: Grid, draws: int = DRAWS) -> Surface:
    """The same grid always gives the same draws."""
    cells = grid.cells
    depths, batches, values, sds, dofs, rises = _arrays(cells)
    shape, error = _model(cells)
    chance = np.random.default_rng(zlib.crc32(repr([(c.depth, c.batch) for c in cells]).encode()))
    noise = chance.standard_t(np.broadcast_to(dofs, (draws, *dofs.shape))) * sds
    drawn = values + noise
    if not rises:
        drawn = _fallen(drawn, sds)
    residuals = np.concatenate([values, drawn]) - shape.log_ratio(depths[:, None], batches[None, :])
    whole, known = filled(residuals, depths, batches)
    if math.isfinite(error):
        holes = np.isnan(values[0])
        share = _share(values[0] if not holes.any() else whole[0] + shape.log_ratio(depths[:, None], batches))
        whole[1:] += holes * share * error * chance.standard_normal((draws, *holes.shape))
    fine_d, fine_b = _fine_depths(depths), _fine_batches(batches)
    across_d, gap_d, part_d = weights(depths, fine_d)
    across_b, gap_b, part_b = weights(batches, fine_b)
    between = np.einsum("fd,ndb,gb->nfg", across_d, whole, across_b, optimize=True)
    between += shape.log_ratio(fine_d[:, None], fine_b[None, :])
    if math.isfinite(error):
        # Half the variance of a left-out cell, which lies in a gap twice as wide, in the middle of a gap; none at its
        # ends: a Brownian bridge.
        share = _share(between[0]) * error
        here_b = chance.standard_normal((draws, len(depths), max(len(batches) - 1, 1)))[:, :, gap_b]
        here_d = chance.standard_normal((draws, max(len(depths) - 1, 1), len(batches)))[:, gap_d, :]
        along_b = np.einsum("fd,ndg->nfg", across_d, here_b) * np.sqrt(2 * part_b * (1 - part_b))
        along_d = np.einsum("gb,nfb->nfg", across_b, here_d) * np.sqrt(2 * part_d * (1 - part_d))[:, None]
        between[1:] += share * (along_b + along_d)
    # A place is known where all the nodes that it lies between are.
    covered = np.einsum("fd,db,gb->fg", across_d > 0, ~known, across_b > 0) == 0
    return Surface(
        fine_d, fine_b, between[0], between[1:], covered, depths, batches, shape, error, bool(rises)
    )


def _arrays(cells: tuple[Cell, ...]) -> tuple[Floats, Floats, Floats, Floats, Floats, bool]:
    """Depths, batches, and over them (NaN where there is no cell) log ratios, with one more axis before, their errors
    and degrees of freedom; and whether they rise."""
    depths = np.array(sorted({max(cell.depth, 1) for cell in cells}), dtype=np.float64)
    batches = np.array(sorted({cell.batch for cell in cells}), dtype=np.float64)
    values, sds = (np.full((len(depths), len(batches)), np.nan) for _ in range(2))
    dofs = np.ones_like(values)
    for cell in cells:
        at = int(np.searchsorted(depths, max(cell.depth, 1))), int(np.searchsorted(batches, cell.batch))
        values[at], sds[at], dofs[at] = cell.log_ratio, cell.sd, cell.dof
    fallen, rises = _without_rises(values[None], sds)
    return depths, batches, fallen, sds, dofs, rises


# A report asks for each map three times: for its table, its figure and its sentence.
@lru_cache(maxsize=1024)
def _model(cells: tuple[Cell, ...]) -> tuple[Shape, float]:
    depths, batches, values, sds, _, _ = _arrays(cells)
    return _chosen(values[0], sds, depths, batches)


def _share(log_ratio: Floats) -> Floats:
    return np.asarray(np.maximum(-np.expm1(-np.abs(log_ratio)), LEAST_SHARE), dtype=np.float64)


def _without_rises(values: Floats, sds: Floats) -> tuple[Floats, bool]:
    """Values that do not rise with the batch, unless some cell would have to move further than its error allows."""
    fallen = _fallen(values, sds)
    moved = np.abs(fallen - values)[0] / sds
    if np.nanmax(moved) > MOST_MOVED:
        return values, True
    return fallen, False


def _fallen(values: Floats, sds: Floats) -> Floats:
    result = values.copy()
    for row in range(values.shape[1]):
        there = ~np.isnan(values[0, row])
        if there.sum() > 1:
            result[:, row, there] = falling(values[:, row, there], 1 / sds[row, there] ** 2)
    return result


def _chosen(values: Floats, sds: Floats, depths: Floats, batches: Floats) -> tuple[Shape, float]:
    """The shape with the least error on cells that it has not seen, and that error; the plain one and NaN where too few
    cells lie between others."""
    rows, columns = np.nonzero(~np.isnan(values))
    places = list(zip(rows.tolist(), columns.tolist(), strict=True))
    if len(places) > MOST_LEFT_OUT:
        places = [places[round(at)] for at in np.linspace(0, len(places) - 1, MOST_LEFT_OUT)]
    best, least = Shape(), math.nan
    for name in SHAPES:
        whole = _fitted(name, values, sds, depths, batches)
        if whole is None:
            continue
        off = [_left_out(name, values, sds, depths, batches, *place) for place in places]
        found = np.array([each for each in off if each is not None])
        if len(found) < FEWEST_LEFT_OUT:
            return Shape(), math.nan
        error = math.sqrt(float(np.mean(found**2)))
        if not error >= least:
            best, least = whole, error
    return best, least


def _fitted(name: str, values: Floats, sds: Floats, depths: Floats, batches: Floats) -> Shape | None:
    rows, columns = np.nonzero(~np.isnan(values))
    return fit_shape(name, depths[rows], batches[columns], values[rows, columns], sds[rows, columns])


def _left_out(
    name: str, values: Floats, sds: Floats, depths: Floats, batches: Floats, row: int, column: int
) -> float | None:
    """How far one cell is from what the others say of it, in the unit of LEAST_SHARE; None where it does not lie
    between any."""
    others = values.copy()
    others[row, column] = np.nan
    shape = _fitted(name, others, sds, depths, batches)
    if shape is None:
        return None
    residuals = (others - shape.log_ratio(depths[:, None], batches[None, :]))[None]
    found, between = neighbours(residuals, depths, batches, row, column)
    if not between:
        return None
    said = found[0] + shape.log_ratio(depths[row : row + 1], batches[column : column + 1])[0]
    return float((said - values[row, column]) / _share(values[row, column]))


def _fine_batches(batches: Floats) -> Floats:
    octaves = math.log2(batches[-1] / batches[0])
    count = int(min(max(octaves * PER_OCTAVE, 2), MOST_BATCHES))
    return np.unique(np.concatenate([batches, np.geomspace(batches[0], batches[-1], count)]).round(9))


def _fine_depths(depths: Floats) -> Floats:
    between = int(min(BETWEEN_DEPTHS, max(MOST_DEPTHS // len(depths) - 1, 0)))
    found = [depths]
    for low, high in pairwise(depths):
        found.append(np.geomspace(low, high, between + 2)[1:-1])
    return np.unique(np.concatenate(found).round(9))
