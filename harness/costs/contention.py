"""What devices that are cores of one machine cost each other: they share caches, memory, clocks and hyperthreads.

In: measured rows of one mode, and what one device alone would take for them. Out: a Contention. Must not know how
those times were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from harness.costs.curve import Floats
from harness.costs.overlap import combined_us

# Rows below which dispatch and work are not told apart.
FEWEST_FOR_TWO = 4
# Relative error from which on an outlier (a disturbed cell) counts linearly.
ROBUST_FROM = 0.1
# No crowd makes a core more than so many times as slow, or as fast: beyond it a factor stands for what is not there.
LARGEST = 10.0


@dataclass(frozen=True)
class Slowed:
    """How many times as long dispatch and work take on each device."""

    issue: float = 1.0
    work: float = 1.0


ALONE = Slowed()


@dataclass(frozen=True)
class Contention:
    """factors: (controller, devices) -> how much slower than one device alone."""

    factors: Mapping[tuple[str, int], Slowed] = field(default_factory=dict)

    def of(self, controller: str, devices: int) -> Slowed:
        """That of as many devices, or of the most below that were measured: no growth is made up."""
        known = [count for name, count in self.factors if name == controller and count <= devices]
        return self.factors[controller, max(known)] if known else ALONE


NO_CONTENTION = Contention()


def fit_contention(rows: pd.DataFrame, issue_us: Sequence[float], work_us: Floats) -> Contention:
    """From points on several synchronous devices. issue_us, work_us: of one device alone, for each row."""
    table = rows.assign(alone_issue=issue_us, alone_work=work_us)
    several = table[table["devices"] > 1].groupby(["controller", "devices"], sort=False)
    return Contention({(str(name), int(count)): _slowed(part) for (name, count), part in several})


def _slowed(rows: pd.DataFrame) -> Slowed:
    measured = rows["step_us"].to_numpy(dtype=float)

    def predicted(issue: float, work: float) -> Floats:
        each = zip(rows["alone_issue"], rows["alone_work"], rows["turns"], rows["controller"], strict=True)
        found = [combined_us(i * issue, w * work, times, name, True) for i, w, times, name in each]
        return np.maximum(np.asarray(found, dtype=np.float64), 1e-9)

    whole = float(np.clip(np.median(measured / predicted(1, 1)), 1 / LARGEST, LARGEST))
    if len(rows) < FEWEST_FOR_TWO:
        return Slowed(whole, whole)
    solved = least_squares(
        lambda factors: np.log(predicted(*factors) / measured),
        [whole, whole],
        bounds=(0.99 / LARGEST, 1.01 * LARGEST),
        loss="soft_l1",
        f_scale=ROBUST_FROM,
        ftol=1e-4,
        xtol=1e-4,
        max_nfev=30,
    )
    return Slowed(*solved.x.tolist())
