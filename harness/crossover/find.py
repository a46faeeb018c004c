"""The contour of a grid at a threshold, with its band.

In: grids. Out: crossovers. Must not know tables, profiles or figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.crossover.lattice import Floats, last_fall, weights
from harness.crossover.shapes import WORDS
from harness.crossover.surface import Surface, surface
from harness.crossover.values import DEFAULT_THRESHOLD, At, Crossover, Grid, as_log_ratio
from harness.crossover.words import deepest, said

# 95 % of the draws.
ENDS = (0.025, 0.975)
RISES = (
    "The value is shown to rise with the batch somewhere: the crossover is the last one, "
    "after which it stays below."
)
ASSUMED = "No cell was measured in several sessions: 2 % is assumed as the standard deviation between them."
TOO_FEW = "Few cells lie between others to say how far lines between them are off: the interval is from cell to cell."


def crossover(grid: Grid, threshold: float = DEFAULT_THRESHOLD) -> Crossover:
    """The contour over the measured depths and between them. Raises ValueError for a threshold outside (0, 1)."""
    return crossings(grid, [threshold])[0]


def crossings(grid: Grid, thresholds: Sequence[float], found: Surface | None = None) -> list[Crossover]:
    """One for each threshold. found: the grid's surface, where it is known already."""
    if outside := [value for value in thresholds if not 0 < value < 1]:
        raise ValueError(f"threshold {outside[0]}: above 0 and below 1")
    found = found or surface(grid)
    model, notes = _model(found), _notes(grid, found)
    made = []
    for threshold in thresholds:
        contour = tuple(_contour(grid, found, threshold))
        at = deepest(contour)
        cpu = grid.of.get("device_kind") == "cpu"
        text = said(grid.kind, threshold, at, beside=_beside(grid, at), cpu=cpu)
        made.append(Crossover(grid.kind, threshold, grid.of, contour, grid.cells, model, text, notes=notes))
    return made


def _contour(grid: Grid, found: Surface, threshold: float) -> Sequence[At]:
    level = as_log_ratio(grid.kind, threshold)
    known = found.known.any(axis=1)
    depths = found.depths[known]
    covered = _stretch(found.known[known])
    batch, *_ = last_fall(found.log_ratio[known], found.batches, covered, level)
    drawn, *_ = last_fall(found.draws[:, known], found.batches, covered, level)
    # Not interpolated: between 0 or infinity and a number there is nothing.
    low, high = np.quantile(drawn, ENDS, axis=0, method="inverted_cdf")
    if not np.isfinite(found.model_error):
        before, behind = _brackets(found, depths, level)
        low, high = np.minimum(low, before), np.maximum(high, behind)
    none = all(cell.depth == 0 for cell in grid.cells)
    rows = []
    for place, depth in enumerate(depths):
        there = found.batches[covered[place]]
        measured = bool(np.isclose(found.node_depths, depth).any())
        rows.append(
            At(
                0.0 if none else float(depth),
                float(batch[place]),
                float(min(low[place], batch[place])),
                float(max(high[place], batch[place])),
                float(there[0]),
                float(there[-1]),
                measured,
            )
        )
    return rows


def _beside(grid: Grid, at: At) -> tuple[float, float] | None:
    """The measured batches of that depth between which the interval lies; None where it reaches beyond them."""
    batches = [float(cell.batch) for cell in grid.cells if cell.depth == at.depth]
    below = [batch for batch in batches if batch <= at.low]
    above = [batch for batch in batches if batch >= at.high]
    return (max(below), min(above)) if below and above else None


def _stretch(known: Floats | np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Of each line the places from the first that is known to the last."""
    before = np.logical_or.accumulate(known, axis=1)
    after = np.logical_or.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(before & after)


def _brackets(found: Surface, depths: Floats, level: float) -> tuple[Floats, Floats]:
    """The measured batches beside the contour; between two depths the wider of theirs."""
    own = np.isin(found.batches, found.node_batches)
    rows = np.isin(found.depths, found.node_depths)
    line = found.log_ratio[rows][:, own]
    covered = _stretch(found.known[rows][:, own] | ~found.known[rows].any(axis=1, keepdims=True))
    _, before, behind = last_fall(line, found.batches[own], covered, level)
    across, *_ = weights(found.node_depths, depths)
    beside = across > 0
    return (
        np.where(beside, before, np.inf).min(axis=1),
        np.where(beside, behind, 0.0).max(axis=1),
    )


def _model(found: Surface) -> str:
    text = WORDS[found.shape.name]
    if np.isfinite(found.model_error):
        text += f"; on cells left out of its fit it is off by what {100 * found.model_error:.0f} % more batch changes"
    return text


def _notes(grid: Grid, found: Surface) -> tuple[str, ...]:
    notes = []
    if not any(cell.known for cell in grid.cells):
        notes.append(ASSUMED)
    if not np.isfinite(found.model_error):
        notes.append(TOO_FEW)
    if found.rises:
        notes.append(RISES)
    return tuple(notes)
