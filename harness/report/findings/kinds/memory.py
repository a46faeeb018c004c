"""What modes keep in memory within a step, beside eager.

In: a slice of one run and device. Out: a claim. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.report.findings.claim import EAGER, Claim, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.table.formats import listed, significant
from harness.report.table.slices import CELL_AXES, WITHIN_DEVICE, Slice
from harness.report.table.tensors import DIFFERENT, PEAK, size_words
from harness.report.table.tidy import mode_rank


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on the cell where another mode keeps least beside eager; none where no other one keeps less."""
    known = part.rows[part.rows["ok"] & (part.rows[PEAK] > 0)]
    told = [
        found for _, own in known.groupby(list(CELL_AXES), sort=False, dropna=False) if (found := _less(own))
    ]
    if not told:
        return []
    times, eager, others = max(told, key=lambda found: found[0])
    least = min(others, key=lambda row: float(row[PEAK]))["mode"]
    less = listed(f"{row['mode']} {size_words(row[PEAK])}" for row in others)
    text = (
        f"{lead(part.values)}Memory: within a step at {place(eager, differing)} eager keeps up to "
        f"{size_words(eager[PEAK])} of tensors alive, {less}: {significant(times)} times what {least} does."
    )
    return [Claim(times, group_of(part.values), text)]


def _less(own: pd.DataFrame) -> tuple[float, pd.Series, list[pd.Series]] | None:
    """How many times less than eager the best mode of a cell keeps, eager's row, and the other ones."""
    eager = own[own["mode"] == EAGER]
    others = own[own["mode"] != EAGER]
    if eager.empty or others.empty:
        return None
    times = float(eager[PEAK].iloc[0] / others[PEAK].min())
    order = others.sort_values("mode", key=lambda modes: modes.map(mode_rank))
    return (times, eager.iloc[0], [row for _, row in order.iterrows()]) if times >= DIFFERENT else None


FINDING = Finding("memory", WITHIN_DEVICE, claims, shown_by=("memory",))
