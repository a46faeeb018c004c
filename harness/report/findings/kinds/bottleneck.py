"""A plain answer to: is Python the bottleneck here?

In: a slice of one run, device and workload. Out: a claim on the share of a step in which the device waits. Must not
know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from harness.analysis.device_model import share_between
from harness.core.stats.verdicts import FASTER
from harness.report.findings.claim import BOUND, Claim, Crux, aside, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.findings.scope import scope
from harness.report.findings.shares import Shares, fastest_without_python, shares
from harness.report.findings.speedups import compared, largest_gain, speedup_words
from harness.report.table.attribution import SAME_OPERATIONS, attributed
from harness.report.table.formats import percent, ratio, share
from harness.report.table.slices import (
    CELL_AXES,
    SLICE_AXES,
    WITHIN_WORKLOAD,
    Slice,
    each_with_an_issuer,
    of_row,
)

# What the figure of a CPU is, told once.
ON_CPU = (
    " On CPU host and device are the same cores, so that nothing waits: what can be measured is what the fastest mode "
    "without Python saves, 1 - 1 / its speed-up over eager."
)


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence; none where nothing has a time."""
    part = each_with_an_issuer(part)
    rows, values = part.rows, part.values
    found = shares(rows)
    around = frozenset(differing)
    start = f"{lead(values)}Is Python the bottleneck here{aside(values, differing)}? "
    cpu = values["device_kind"] == "cpu"
    if found.own.empty:
        if not (rows["ok"] & (rows["step_us"] > 0)).any():
            return []
        why = _why_unknown(rows) if cpu else "dispatch_share was not measured"
        return [_unknown(part, around, start, why)]
    nothing = found.open | found.under
    undecided = int(found.open.sum()) + found.unknown
    if undecided and nothing.all():
        # "No" would speak of the cells that show how little it is, and be silent about the others.
        why = _why_unknown(rows) + (f" in {undecided} of {found.cells} cells" if found.cells > 1 else "")
        return [_unknown(part, around, start, why)]
    own = found.own[~found.open]
    most = own.loc[own["share"].idxmax()]
    text = _answer(found, own, around, cpu)
    return [
        Claim(
            *(float(most["share"]), group_of(values), start + text + _by_model(most)),
            once=ON_CPU if cpu else "",
            at=(("mode", found.mode),),
            crux=Crux(
                _briefly(values, differing, text),
                percent(float(most["share"])),
                _number_of(found.mode, cpu),
                _saves(rows, most, around) if cpu else _removes(rows, most, around),
                tuple(of_row(most).items()),
                scope(rows),
            ),
        )
    ]


def _answer(found: Shares, own: pd.DataFrame, around: frozenset[str], cpu: bool) -> str:
    """own: the cells that are decided, at least one."""
    most, least = own.loc[own["share"].idxmax()], own.loc[own["share"].idxmin()]
    of_all = f"all {found.cells}" if len(own) == found.cells else f"{len(own)} of {found.cells}"
    yes, no = bool(found.over[own.index].all()), bool(found.under[own.index].all())
    depends = "It depends" if most["share"] >= BOUND else "In part"
    if len(own) == 1:
        answer = "Yes" if yes else "No" if no else "In part"
        return f"{answer}: {_waiting(found.mode, _words(most), cpu)}."
    if yes or no or not _told_apart(most, least):
        ends = percent(float(least["share"])), percent(float(most["share"]))
        inside = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
        answer = "Yes" if yes else "No" if no else depends
        bound = f" (by their intervals {percent(own['high'].max())} at most)" if no else ""
        return f"{answer}: {_waiting(found.mode, inside, cpu)}, in {of_all} cells{bound}."
    return (
        f"{depends}: {_waiting(found.mode, _words(most), cpu)} at {_spot(most, around)}, but only "
        f"{_words(least)} at {_spot(least, around)}; it is {found.counted()}."
    )


def _words(row: pd.Series) -> str:
    """The share with its interval, where it has one."""
    low, high = float(row["low"]), float(row["high"])
    return share(float(row["share"]), low, high) if low < high else percent(float(row["share"]))


def _unknown(part: Slice, differing: frozenset[str], start: str, why: str) -> Claim:
    """Then what it turns on is the largest gain of these rows."""
    values = part.values
    brief = _briefly(values, differing, f"Whether Python is the bottleneck here cannot be told: {why}.")
    crux, gain = Crux(brief, scope=scope(part.rows)), largest_gain(part.rows)
    if gain is not None:
        number, of = f"{ratio(float(gain['speedup_vs_eager']))}x", "the largest gain over eager that is shown"
        crux = Crux(brief, number, of, _gained(gain, differing), tuple(of_row(gain).items()), crux.scope)
    return Claim(0, group_of(values), f"{start}The table cannot tell: {why}.", crux=crux)


def _saves(rows: pd.DataFrame, most: pd.Series, differing: frozenset[str]) -> str:
    """What the share of a CPU is of, and what it is a bound of; empty where no gain is shown."""
    cell = rows[_same(rows, most, CELL_AXES)]
    (first, *_) = [row for _, row in fastest_without_python(cell).iterrows()] or [None]
    if first is None or first["verdict"] != FASTER:
        return ""
    mode = first["mode"]
    text = (
        f"What saves it: {mode} runs {speedup_words(first)} as fast as eager at {place(first, differing)}; that is the "
        f"same measurement, not a second one. All dispatch is more than that, since {mode} still dispatches in C++; "
    )
    text += f"the interpreter alone may be less, as far as {mode} fuses operations."
    split = compared(cell)
    split = split[split["mode"] == attributed(cell).split_by]
    # What runs the same operations itself needs nothing that stands for `native`.
    alone = SAME_OPERATIONS[:1] if mode in SAME_OPERATIONS else SAME_OPERATIONS
    if len(split) and split["mode"].iloc[0] in alone and split["mode"].iloc[0] != mode:
        row = split.iloc[0]
        ends = (1 - 1 / row[name] for name in ("speedup_vs_eager", "speedup_low", "speedup_high"))
        text = text.rpartition("; ")[0] + (
            f"; the interpreter alone is {share(*ends)}, against {row['mode']}, which runs the same operations."
        )
    gain = largest_gain(cell)
    if gain is not None and not gain["python_free"]:
        text += f" {gain['mode']}, which keeps Python, runs {speedup_words(gain)} as fast as eager there."
    return text


def _removes(rows: pd.DataFrame, most: pd.Series, differing: frozenset[str]) -> str:
    """What removes most of the largest share: there, else on the same axes but depth and batch; empty where nothing is
    shown to."""
    for axes in (CELL_AXES, SLICE_AXES):
        if (gain := largest_gain(rows[_same(rows, most, axes)])) is not None:
            return _gained(gain, differing)
    return ""


def _same(rows: pd.DataFrame, row: pd.Series, axes: Collection[str]) -> pd.Series:
    same = pd.Series(True, index=rows.index)
    for name in axes:
        same &= rows[name] == row[name]
    return same


def _gained(row: pd.Series, differing: frozenset[str]) -> str:
    head = f"What removes most of it: {row['mode']} runs"
    return f"{head} {speedup_words(row)} as fast as eager at {place(row, differing)}."


def _briefly(values: Mapping[str, Any], differing: Collection[str], text: str) -> str:
    """Without the question, of which only the place is kept."""
    return f"{lead(values)}{text.rstrip('.')}{aside(values, differing)}."


def _by_model(most: pd.Series) -> str:
    """Between what the largest share may lie on the device that is emulated; empty where that is not known."""
    between = share_between(most.to_frame().T).dropna()
    if between.empty:
        return ""
    low, high = percent(float(between["low"].iloc[0])), percent(float(between["high"].iloc[0]))
    share = percent(float(most["share"]))
    return f" On the real device the {share} may be {low} to {high}, as far as its kernels' times are known."


def _told_apart(most: pd.Series, least: pd.Series) -> bool:
    """Whether two shares can be set against each other: as they are printed, and by their intervals."""
    if percent(float(most["share"])) == percent(float(least["share"])):
        return False
    return (
        not most["low"] <= least["high"] or not most["low"] < most["high"]
    )  # apart where there is no interval


def _why_unknown(rows: pd.DataFrame) -> str:
    beside = rows["python_free"] & rows["ok"] & rows["speedup_vs_eager"].notna()
    if beside.any():
        return "no comparison with a mode without Python is decided"
    return "no mode without Python was measured beside it"


def _waiting(mode: str, share: str, cpu: bool) -> str:
    # On a CPU nothing waits: the same core does both.
    return (
        f"leaving Python out saves {share} of {mode}'s step"
        if cpu
        else f"the device waits during {share} of {mode}'s step"
    )


def _number_of(mode: str, cpu: bool) -> str:
    return (
        f"of {mode}'s step is saved without Python, where most is"
        if cpu
        else f"of {mode}'s step the device waits, where it waits most"
    )


def _spot(row: pd.Series, differing: frozenset[str]) -> str:
    """With what tells it from other cells of its slice; the rest stands beside the whole sentence."""
    return place(row, differing & WITHIN_WORKLOAD)


FINDING = Finding(
    "bottleneck",
    WITHIN_WORKLOAD,
    claims,
    shown_by=("crossover", "dispatch_share", "ladder", "speedup", "modes"),
)
