"""How many devices one thread can keep busy.

In: a slice of one run, device and workload. Out: a claim. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.core import warnings
from harness.report.findings.claim import Claim, aside, cell, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import count, listed, significant
from harness.report.table.slices import WITHIN_WORKLOAD, Slice, each_with_an_issuer
from harness.report.table.tidy import mode_rank


def _many(row: pd.Series) -> str:
    """Where the queue was full while a burst was issued, part of issue_us is waiting for the device."""
    bound = "at least " if warnings.carries(row["warnings"], warnings.BACK_PRESSURE) else ""
    return bound + significant(row["feedable_devices"])


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence on the first mode and the two that get farthest."""
    part = each_with_an_issuer(part)
    rows, values = part.rows, part.values
    known = rows[rows["ok"] & rows["feedable_devices"].notna()]
    if known.empty:
        return []
    modes = sorted(set(known["mode"]), key=mode_rank)
    reach = known.groupby("mode")["feedable_devices"].max()
    # Of many the first (eager where measured) and the two that get farthest.
    best = sorted(modes[1:], key=lambda mode: -reach[mode])[:2]
    texts = []
    for mode in (mode for mode in modes if mode == modes[0] or mode in best):
        own = known[known["mode"] == mode]
        most, least = (own.loc[getattr(own["feedable_devices"], end)()] for end in ("idxmax", "idxmin"))
        text = f"{_many(least)} devices with {mode} at {cell(least)}"
        if _many(most) != _many(least):
            text = f"{_many(least)} ({cell(least)}) to {_many(most)} ({cell(most)}) devices with {mode}"
        texts.append(text)
    more = len(modes) - len(texts)
    shown = [*texts, *([f"{count(more, 'more mode')} in the table"] if more else [])]
    text = f"{lead(values)}One thread can keep busy{aside(values, differing)}: {listed(shown)}."
    return [Claim(1.0, group_of(values), text)]


FINDING = Finding("feedable", WITHIN_WORKLOAD, claims, shown_by=("feedable",))
