"""How well a model of cost, fitted on half of the cells, knows the other half.

In: rows of one run and device. Out: claims. Must not know other kinds, nor how costs are fitted.
"""

from __future__ import annotations

from collections.abc import Collection

from harness.costs.usable import FEWEST_CELLS
from harness.report.findings.claim import Claim, aside, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import count, percent
from harness.report.table.slices import WITHIN_DEVICE, Slice


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence, on one run and device; none where there are too few cells to hold half of them back."""
    # Here, since what fits a model takes longer to import than all the rest.
    from harness.costs.step import fit

    error = fit(part.rows).error
    if error.points < FEWEST_CELLS:
        return []
    ends = f" [{percent(error.low)}, {percent(error.high)}]" if error.low == error.low else ""
    text = (
        f"{lead(part.values)}The cost model, fitted on half of the cells, predicts the other half within "
        f"{percent(error.median)}{ends} (median; 90th percentile {percent(error.p90)}, {count(error.points, 'point')})"
        f"{aside(part.values, differing)}."
    )
    return [Claim(float(error.points), group_of(part.values), text)]


FINDING = Finding("predicted", WITHIN_DEVICE, claims, shown_by=("predicted",))
