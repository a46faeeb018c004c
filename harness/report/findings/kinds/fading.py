"""The smallest batch from which on a mode's saving of eager's step is shown to be under 10 %, at the deepest model.

In: slices of a tidy table. Out: claims. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from harness.report.findings.claim import FREE, Claim, aside, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.findings.speedups import compared, speedup_words
from harness.report.table.formats import count, percent
from harness.report.table.slices import Slice

# A mode that saves less of eager's step seldom pays for its restrictions: the one rule of all sentences and maps.
WORTHWHILE = 1 / (1 - FREE)


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on each mode of which something is shown."""
    modes = compared(part.rows).groupby("mode", sort=False)
    return [claim for _, own in modes for claim in _of_mode(own, part.values, differing)]


def _of_mode(own: pd.DataFrame, values: Mapping[str, Any], differing: Collection[str]) -> list[Claim]:
    deepest = own[own["depth"] == own["depth"].max()].sort_values("batch")
    if deepest["batch"].nunique() < 2:
        return []
    first = deepest.iloc[0]
    where = f"At depth {int(first['depth'])} on" if first["depth"] else "On"
    head = f"{lead(values)}{where} {count(int(first['devices']), 'device')}"
    head += f"{aside(first, differing)}, {first['mode']}"
    at = (("mode", first["mode"]), ("depth", int(first["depth"])))
    small = (deepest["speedup_high"] < WORTHWHILE).tolist()
    if all(small):
        text = f"{head} saves less than {percent(FREE)} of eager's step at every batch measured."
        return [Claim(1.0, group_of(values), text, at=at)]
    if small[-1]:
        index = len(small) - small[::-1].index(False)
        before, batch = (int(deepest.iloc[place]["batch"]) for place in (index - 1, index))
        text = f"{head} saves less than {percent(FREE)} of eager's step from batch {batch} on"
        text += f" (the next smaller one that was measured is {before})."
        return [Claim(float(deepest["speedup_vs_eager"].max()), group_of(values), text, at=at)]
    last = deepest.iloc[-1]
    if last["speedup_low"] >= WORTHWHILE:
        text = f"{head} still saves {percent(FREE)} of eager's step or more at the largest batch"
        text += f" ({int(last['batch'])}): {speedup_words(last)}."
        return [Claim(float(last["speedup_low"]), group_of(values), text, at=at)]
    return []


FINDING = Finding("fading", frozenset(), claims, shown_by=("crossover", "speedup"))
