"""What samplers saw that the times do not say: where utilisation misleads, and what a sample costs in energy.

In: slices of a tidy table. Out: claims. Must not know other claims.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.core.warnings import UTILISATION_DIFFERS
from harness.report.findings.claim import Claim, Topic, aside, group_of, lead, place
from harness.report.table.formats import count, percent, significant
from harness.report.table.slices import CELL_AXES, Slice
from harness.report.table.tidy import carrying

# Axes that the sentences name themselves.
SHOWN = frozenset({"family", "width", "devices", "controller", "workload", "dtype"})

# Power and its counter are read with some per cent of error: a smaller ratio is no difference.
DIFFERENT = 1.1


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """part: one run and device."""
    rows = part.rows[part.rows["ok"]]
    return [*_utilisation(rows, part, differing), *_energy(rows, part, differing)]


def _utilisation(rows: pd.DataFrame, part: Slice, differing: Collection[str]) -> list[Claim]:
    known = rows[rows["util_mean_pct"].notna() & rows["dispatch_share"].notna()]
    if known.empty:
        return []
    share = known["dispatch_share"].clip(0, 1)
    known = known.assign(share=share, apart=(known["util_mean_pct"] - 100 * (1 - share)).abs())
    named = carrying(known, UTILISATION_DIFFERS)
    number, of = int(named.sum()), count(len(known), "point")
    if not number:
        text = (
            f"{lead(part.values)}NVML's utilisation agrees with the share of a step in which the device works, within "
            f"10 points, in all of {of}."
        )
        return [Claim(Topic.UTILISATION, 0.0, group_of(part.values), text)]
    worst = known.loc[known[named]["apart"].idxmax()]
    reported, waits = percent(worst["util_mean_pct"] / 100), percent(worst["share"])
    where = f"{worst['mode']} at {place(worst, differing)}"
    if worst["util_mean_pct"] > 100 * (1 - worst["share"]):
        what = f"although the device waits during {waits} of the step: it counts any time in which any kernel runs"
    else:
        what = f"although the device waits during only {waits} of the step when it is timed"
    text = (
        f"{lead(part.values)}NVML reports a utilisation of {reported} for {where}, {what}. The two are more than 10 "
        f"points apart in {number} of {of}."
    )
    return [Claim(Topic.UTILISATION, float(worst["apart"]), group_of(part.values), text)]


def _energy(rows: pd.DataFrame, part: Slice, differing: Collection[str]) -> list[Claim]:
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
        return [Claim(Topic.ENERGY, 0.0, group_of(part.values), text)]
    same = (known[list(CELL_AXES)] == best[list(CELL_AXES)]).all(axis=1)
    worst = known.loc[known[same]["energy_mj_per_sample"].idxmax()]
    times = significant(float(ratio.max()))
    text = (
        f"{lead(part.values)}Energy per sample differs most at {place(best, differing)}: {best['mode']} takes "
        f"{_energy_words(best)} and {worst['mode']} {_energy_words(worst)}, {times} times as much."
    )
    return [Claim(Topic.ENERGY, float(ratio.max()), group_of(part.values), text)]


def _energy_words(row: pd.Series) -> str:
    millijoules = float(row["energy_mj_per_sample"])
    for size, unit in ((1e3, "J"), (1.0, "mJ"), (1e-3, "µJ")):
        if millijoules >= size:
            return f"{significant(millijoules / size)} {unit}"
    return f"{significant(millijoules / 1e-6)} nJ"
