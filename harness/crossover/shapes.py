"""What a ratio of step times does between measured cells: the cost model's formula for two steps, one over the other.

In: cells. Out: a Shape, a curve over depth and batch. Must not know errors of cells, contours or tables.
A step costs a part a step, a part a layer, and work for each sample and layer (docs/cost-model.md). Divided by depth,
the ratio of two of them is one of two sums: linear in its unknowns where it is multiplied out, so that a fit takes
microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from harness.crossover.lattice import Floats

PLAIN, ADDITIVE, HINGE, CORNER = "plain", "additive", "hinge", "corner"
SHAPES = (PLAIN, ADDITIVE, HINGE, CORNER)
# Of these work hides behind issuing.
HIDING = (HINGE, CORNER)
WORDS = {
    PLAIN: "a straight line between neighbours on logarithmic axes",
    ADDITIVE: "the cost model's formula where host and device add up",
    HINGE: "the cost model's formula where the longer of host and device decides",
    CORNER: "the cost model's formula where the longer of host and device decides, and the device has a shortest time",
}
# Times it is solved again, with the weights that follow from the last solution.
PASSES = 4
# Log ratios from which on a step is not yet all device.
LEAST_RATIO = 0.02
# Log ratio from which on an outlier counts less.
ROBUST_FROM = 0.05


@dataclass(frozen=True)
class Shape:
    """name: one of SHAPES. over, under: coefficients of 1, 1 / depth and batch / unit of both sums; of a CORNER the
    larger of the first and the last counts under the line."""

    name: str = PLAIN
    over: tuple[float, float, float] = (1.0, 0.0, 0.0)
    under: tuple[float, float, float] = (1.0, 0.0, 0.0)
    unit: float = 1.0

    def log_ratio(self, depths: Floats, batches: Floats) -> Floats:
        """Of places that broadcast against each other."""
        if self.name == PLAIN:
            return np.zeros(np.broadcast_shapes(depths.shape, batches.shape))
        found = np.log(np.maximum(self._sum(self.over, depths, batches), 1e-12))
        found = found - np.log(np.maximum(self.divided_by(depths, batches), 1e-12))
        return np.asarray(np.maximum(found, 0.0) if self.name in HIDING else found, dtype=np.float64)

    def divided_by(self, depths: Floats, batches: Floats) -> Floats:
        """The sum under the line."""
        if self.name == CORNER:
            floor, _, work = self.under
            return np.maximum(floor + 0 * depths, work * batches / self.unit)
        return self._sum(self.under, depths, batches)

    def _sum(self, of: tuple[float, float, float], depths: Floats, batches: Floats) -> Floats:
        return of[0] + of[1] / depths + of[2] * (batches / self.unit)


def fit_shape(name: str, depths: Floats, batches: Floats, log_ratios: Floats, sds: Floats) -> Shape | None:
    """The least squares fit of log ratios, outliers counting less; None where there are too few cells for it."""
    if name == PLAIN:
        return Shape()
    used = log_ratios > LEAST_RATIO if name in HIDING else np.ones(len(log_ratios), dtype=bool)
    d, b, y, sd = (each[used] for each in (depths, batches, log_ratios, sds))
    several = len(np.unique(d)) > 1
    if len(y) < 4 + (2 if several else 0) or len(np.unique(b)) < 3:
        return None
    unit, ratio = float(np.exp(np.log(b).mean())), np.exp(y)
    one, layer, work = np.ones_like(d), 1 / d, b / unit
    # over - ratio x under = 0, with one coefficient set to 1: the work of the step that is divided by, or (where work
    # hides behind issuing) what a layer costs the host.
    if name == ADDITIVE:
        columns, target = [one, layer, work, -ratio, -ratio * layer], ratio * work
        kept = [0, 1, 2, 3, 4] if several else [0, 2, 3]
    else:
        columns, target = [-layer, ratio, ratio * layer, ratio * work], one
        kept = [0, 1, 2, 3] if several else [1, 3]
    design = np.column_stack([columns[place] for place in kept])
    shape, weight = Shape(), 1 / (ratio * (one + work) * sd)
    for _ in range(PASSES):
        try:
            solved, _ = nnls(design * weight[:, None], target * weight)
        except RuntimeError:  # no solution within its iterations
            return None
        full = np.zeros(len(columns))
        full[kept] = solved
        shape = _shape(name, full, unit)
        if name == CORNER:  # each cell belongs to the part that is longer by what is known so far
            floored = shape.under[0] > shape.under[2] * work
            columns = [-layer, ratio * floored, np.zeros_like(d), ratio * work * ~floored]
            design = np.column_stack([columns[place] for place in kept])
        sums = shape.divided_by(d, b)
        off = np.abs(shape.log_ratio(d, b) - y) / ROBUST_FROM
        weight = 1 / (ratio * np.maximum(sums, 1e-6) * sd * np.sqrt(1 + off**2))
    return shape if np.isfinite(shape.log_ratio(depths, batches)).all() else None


def _shape(name: str, solved: Sequence[float] | Floats, unit: float) -> Shape:
    values = [float(value) for value in solved]
    if name == ADDITIVE:
        return Shape(name, (values[0], values[1], values[2]), (values[3], values[4], 1.0), unit)
    return Shape(name, (1.0, values[0], 0.0), (values[1], values[2], values[3]), unit)
