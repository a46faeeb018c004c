"""The rungs of the ladder in their order, where one of them does not help, and where eager's time goes.

In: slices over device counts and controllers. Out: claims. Must not know other kinds.
Rungs are compared by their intervals over eager: where those overlap, no difference is claimed. That is more
careful than a comparison of the two within rounds would be.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from harness.core.stats.verdicts import SLOWER
from harness.report.findings.claim import EAGER, Claim, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.findings.speedups import compared, speedup_words
from harness.report.table.attribution import SAME_OPERATIONS, Attribution, attributed, is_ladder
from harness.report.table.formats import listed, percent, significant
from harness.report.table.slices import Slice, undisturbed
from harness.report.table.tidy import mode_rank

# Compared with eager, whose speed-up over itself is 1.
_EAGER = pd.Series({"mode": EAGER, "speedup_vs_eager": 1.0, "speedup_low": 1.0, "speedup_high": 1.0})


@dataclass(frozen=True)
class _Told:
    """The cell in which the ladder brings most. rungs: its rows that are compared with eager, in their order."""

    cell: pd.DataFrame
    rungs: pd.DataFrame
    where: str

    @property
    def most(self) -> float:
        return float(self.rungs["speedup_vs_eager"].max())


def _told(part: Slice, differing: Collection[str]) -> _Told | None:
    """None where there is no more of a ladder than in every sweep."""
    cells = [own for _, own in undisturbed(part.rows).groupby(["depth", "batch"]) if is_ladder(own)]
    known = [(rungs, own) for own in cells if len(rungs := compared(own))]
    if not known:
        return None
    rungs, own = max(known, key=lambda pair: pair[0]["speedup_low"].max())
    cpu = ", on CPU" if own["device_kind"].iloc[0] == "cpu" else ""
    rungs = rungs.sort_values("mode", key=lambda modes: modes.map(mode_rank))
    return _Told(own, rungs, place(own.iloc[0], differing) + cpu)


def rungs(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on every rung, the best first."""
    told = _told(part, differing)
    if told is None:
        return []
    notes = _notes(told.rungs)
    order = told.rungs.sort_values("speedup_vs_eager", ascending=False, kind="stable")
    texts = [f"{row['mode']} {speedup_words(row)}{notes[row['mode']]}" for _, row in order.iterrows()]
    text = f"{lead(part.values)}Speed-ups over eager at {told.where}, best first: {listed(texts)}."
    return [Claim(told.most, group_of(part.values), text)]


def attribution(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on where eager's time goes; none where nothing splits it."""
    told = _told(part, differing)
    sentence = _attribution(attributed(told.cell), told.cell) if told else ""
    if not (told and sentence):
        return []
    return [Claim(told.most, group_of(part.values), f"{lead(part.values)}At {told.where}, {sentence}.")]


def _notes(rungs: pd.DataFrame) -> dict[str, str]:
    """For each rung what it fails to gain over the best of those before it. rungs: in the order of the ladder."""
    best, notes = _EAGER, {}
    for _, rung in rungs.iterrows():
        note = ""
        if rung["verdict"] == SLOWER:
            note = " (slower than eager)"
        elif rung["speedup_high"] < best["speedup_low"]:
            note = f" (slower than {best['mode']})"
        elif rung["speedup_low"] <= best["speedup_high"]:
            note = f" (no gain over {best['mode']} shown)"
        notes[str(rung["mode"])] = note
        if rung["speedup_vs_eager"] > best["speedup_vs_eager"]:
            best = rung
    return notes


def _attribution(parts: Attribution, own: pd.DataFrame) -> str:
    """Eager's time of a layer in its parts; empty where nothing splits it."""
    eager = parts.modes.get(EAGER)
    if eager is None or not parts.split_by:
        return ""
    depth = int(own["depth"].iloc[0])
    layers, each = max(depth, 1), "per layer" if depth else "a step"

    def part(value: float, interval: str = "") -> str:
        return f"{significant(value / layers)} µs ({percent(value / eager.total)}{interval})"

    stands = "" if parts.split_by == SAME_OPERATIONS[0] else f", for want of {SAME_OPERATIONS[0]}"
    beyond = f"interpreter and module calls (beyond {parts.split_by}{stands})"
    interval, shown = _interval(parts, own)
    rest = (
        "framework dispatch" if parts.on_device else f"what {parts.split_by} needs too (dispatch, arithmetic)"
    )
    others = [f"{part(eager.framework)} {rest}"]
    if parts.on_device:
        others.append(f"{part(eager.device)} device")
    text = (
        f"of eager's {significant(eager.total / layers)} µs {each} "
        f"{listed([f'{part(eager.interpreter, interval)} are {beyond}', *others])}"
    )
    return text + ("" if shown else "; no part of it is shown to be the interpreter's")


def _interval(parts: Attribution, own: pd.DataFrame) -> tuple[str, bool]:
    """The 95 % interval of the interpreter's share, and whether it lies above 0.

    (eager - native) / eager = 1 - 1 / speed-up of native (or what stands for it), whose interval is paired within
    rounds; where
    the two have not the same device time, their difference (which has no interval) shifts both ends.
    """
    row = own[own["mode"] == parts.split_by].iloc[0]
    low, high = float(row["speedup_low"]), float(row["speedup_high"])
    if not (low > 0 and high > 0):
        return "", True
    eager, split_by = parts.modes[EAGER], parts.modes[parts.split_by]
    shift = (split_by.device - eager.device) / eager.total if parts.on_device else 0.0
    ends = [min(max(1 - 1 / end + shift, 0.0), 1.0) for end in (low, high)]
    return f" [{percent(ends[0])}, {percent(ends[1])}]", ends[0] > 0


SHOWN = frozenset({"devices", "controller"})
ATTRIBUTION = Finding("attribution", SHOWN, attribution, shown_by=("ladder", "modes"))
RUNGS = Finding("rungs", SHOWN, rungs, shown_by=("ladder", "speedup", "modes"))
