"""What a sample costs in energy.

In: a slice of one run and device. Out: a claim. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.report.findings.claim import Claim, aside, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.table.formats import percent, significant
from harness.report.table.slices import CELL_AXES, WITHIN_DEVICE, Slice

# Power and its counter are read with some per cent of error: a smaller ratio is no difference.
DIFFERENT = 1.1


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence; none where no cell has two modes whose energy is known."""
    rows = part.rows[part.rows["ok"]]
    known = rows[rows["energy_mj_per_sample"] > 0]
    cells = known.groupby(list(CELL_AXES), sort=False, dropna=False)["energy_mj_per_sample"]
    several = cells.transform("count") >= 2
    if not several.any():
        return []
    ratio = (cells.transform("max") / known["energy_mj_per_sample"])[several]
    best = known.loc[ratio.idxmax()]
    if ratio.max() < DIFFERENT:
        text = (
            f"{lead(part.values)}No mode takes {percent(DIFFERENT - 1)} more energy per sample than another of its cell"
            f"{aside(part.values, differing)}."
        )
        return [Claim(0.0, group_of(part.values), text)]
    same = (known[list(CELL_AXES)] == best[list(CELL_AXES)]).all(axis=1)
    worst = known.loc[known[same]["energy_mj_per_sample"].idxmax()]
    times = significant(float(ratio.max()))
    text = (
        f"{lead(part.values)}Energy per sample differs most at {place(best, differing)}: {best['mode']} takes "
        f"{_energy_words(best)} and {worst['mode']} {_energy_words(worst)}, {times} times as much."
    )
    return [Claim(float(ratio.max()), group_of(part.values), text)]


def _energy_words(row: pd.Series) -> str:
    millijoules = float(row["energy_mj_per_sample"])
    for size, unit in ((1e3, "J"), (1.0, "mJ"), (1e-3, "µJ")):
        if millijoules >= size:
            return f"{significant(millijoules / size)} {unit}"
    return f"{significant(millijoules / 1e-6)} nJ"


FINDING = Finding("energy", WITHIN_DEVICE, claims, shown_by=("energy",))
