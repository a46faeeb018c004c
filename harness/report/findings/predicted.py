"""How well a model of cost, fitted on half of the cells, knows the other half.

In: rows of one run and device. Out: claims. Must not know other claims, nor how costs are fitted.
"""

from __future__ import annotations

from collections.abc import Collection

from harness.costs.step import fit
from harness.costs.usable import FEWEST_CELLS
from harness.report.findings.claim import Claim, Topic, aside, group_of, lead
from harness.report.table.formats import count, percent
from harness.report.table.slices import Slice

# What a slice must leave together: the model is fitted over these axes.
SHOWN = frozenset({"family", "width", "devices", "controller", "workload", "dtype"})


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence; none where there are too few cells to hold half of them back. part: split without SHOWN."""
    error = fit(part.rows).error
    if error.cells < FEWEST_CELLS:
        return []
    text = (
        f"{lead(part.values)}The cost model, fitted on half of the cells, predicts the other half within "
        f"{percent(error.median)} (median; 90th percentile {percent(error.p90)}, {count(error.cells, 'point')})"
        f"{aside(part.values, set(differing) - SHOWN)}."
    )
    return [Claim(Topic.PREDICTED, float(error.cells), group_of(part.values), text)]
