"""What a crossover is, as plain values.

In: nothing. Out: dataclasses. Must not know how they are found, drawn or written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# dispatch_share of eager; what part of eager's step the cell's fastest mode saves, 1 - 1 / its speed-up.
SHARE, GAIN = "share", "gain"
KINDS = (SHARE, GAIN)
# What a slider offers. Under a tenth, making dispatch free would hardly be noticed (FREE in report/findings/claim.py).
THRESHOLDS = (0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
DEFAULT_THRESHOLD = 0.1

CROSSED, BEYOND, BELOW = "crossed", "beyond", "below"
# An interval from below the smallest batch, or from a batch that is so many times smaller than where it ends, is no
# knowledge of where a predicted line lies.
UNKNOWN = 100.0


@dataclass(frozen=True)
class Cell:
    """A measured cell. log_ratio: logarithm of eager's step over the step without what is asked about; sd, dof: its
    standard error and the degrees of freedom of that. known: whether it has an interval of its own. mode: the mode that
    was fastest, for a gain."""

    depth: int
    batch: int
    log_ratio: float
    sd: float = math.nan
    dof: float = 0.0
    known: bool = False
    mode: str = ""


@dataclass(frozen=True)
class Grid:
    """Cells of one kind that differ in depth and batch only. of: their value on every other axis."""

    kind: str
    of: Mapping[str, Any]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class At:
    """At one depth: the batch from which on the value stays below the threshold, and its 95 % interval.

    batch, low, high: 0 where that is below the smallest batch that is known there (`least`), infinite where it is
    beyond the largest (`most`). measured: whether cells of this depth were.
    """

    depth: float
    batch: float
    low: float
    high: float
    least: float
    most: float
    measured: bool

    @property
    def side(self) -> str:
        return BELOW if self.batch <= 0 else BEYOND if math.isinf(self.batch) else CROSSED

    @property
    def known(self) -> bool:
        """Whether anything is: not where it may be below and beyond."""
        return not (self.low <= 0 and math.isinf(self.high))

    @property
    def placed(self) -> bool:
        """Whether the interval says where it lies: within a factor of UNKNOWN of batches, or surely beyond."""
        if math.isinf(self.high):
            return math.isinf(self.low)
        return self.high <= UNKNOWN * max(self.low, self.least)


@dataclass(frozen=True)
class Crossover:
    """The contour of one threshold. model: what stands between the cells. predicted: of a device that was not measured,
    by a model; then there are no cells. notes: what to keep in mind, a sentence each."""

    kind: str
    threshold: float
    of: Mapping[str, Any]
    contour: tuple[At, ...]
    cells: tuple[Cell, ...]
    model: str
    said: str
    predicted: bool = False
    notes: tuple[str, ...] = field(default=())

    def at(self, depth: float) -> At | None:
        """The contour at a depth; None where it was not asked."""
        return next((each for each in self.contour if each.depth == depth), None)


def as_log_ratio(kind: str, value: float) -> float:
    """A share s of eager's step that is saved: eager's step over what is left, 1 / (1 - s). Of both kinds, so that a
    threshold is the same on both maps."""
    return -math.log1p(-value)


def as_value(kind: str, log_ratio: float) -> float:
    """The inverse of as_log_ratio."""
    return -math.expm1(-log_ratio)
