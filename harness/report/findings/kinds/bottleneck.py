"""A plain answer to: is Python the bottleneck here?

In: a slice of one run, device and workload. Out: a claim on the share of a step in which the device waits. Must not
know other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from harness.analysis.device_model import share_between
from harness.analysis.noise import noise_floor
from harness.core.stats.verdicts import FASTER, UNDECIDED, threshold
from harness.report.findings.claim import BOUND, EAGER, FREE, Claim, Crux, aside, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.findings.speedups import compared, largest_gain, speedup_words
from harness.report.table.formats import percent, ratio
from harness.report.table.slices import (
    CELL_AXES,
    SLICE_AXES,
    WITHIN_WORKLOAD,
    Slice,
    each_with_an_issuer,
    of_row,
)
from harness.report.table.tidy import mode_rank

# What says whether the answer of a CPU can be trusted, told once.
ON_CPU = (
    " On CPU host and device are the same cores, so that the share is measured against the fastest mode "
    "without Python, and counts as 0 where no such mode is shown to be faster than eager."
)


def _shares(rows: pd.DataFrame) -> tuple[str, pd.DataFrame, int]:
    """The mode asked about (eager where measured), its rows with a share that can be trusted, and how many cannot."""
    modes = sorted(set(rows["mode"]), key=mode_rank)
    mode = EAGER if EAGER in modes else (modes[0] if modes else "")
    own = rows[(rows["mode"] == mode) & rows["ok"] & rows["dispatch_share"].notna()]
    own = own.assign(share=own["dispatch_share"].clip(0, 1))
    measured = len(own)
    if len(own) and mode == EAGER and (own["device_kind"] == "cpu").all():
        # On CPU the share is nothing but the gain of the fastest mode: without another mode in the cell there
        # is none, and where no gain is shown, none is claimed.
        # That of a mode with Python proves nothing here.
        others = compared(rows)
        others = others[others["python_free"]]
        cells = pd.MultiIndex.from_frame(own[list(CELL_AXES)])
        # Where noise hides what a comparison shows, the share is not 0 but not known.
        too_noisy = math.isinf(threshold(noise_floor(rows).relative))
        undecided = others["verdict"] == UNDECIDED
        compared_at_all, hidden, proven = (
            cells.isin(pd.MultiIndex.from_frame(part[list(CELL_AXES)]))
            for part in (
                others,
                others[undecided & (too_noisy | (others["speedup_low"] > 1))],
                others[others["verdict"] == FASTER],
            )
        )
        known = proven | (compared_at_all & ~hidden)
        own = own.assign(share=own["share"].where(proven, 0.0))[known]
    return mode, own, measured - len(own)


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence; none where nothing has a time."""
    part = each_with_an_issuer(part)
    rows, values = part.rows, part.values
    mode, own, unknown = _shares(rows)
    around = frozenset(differing)
    start = f"{lead(values)}Is Python the bottleneck here{aside(values, differing)}? "
    cpu = values["device_kind"] == "cpu"
    if own.empty:
        if not (rows["ok"] & (rows["step_us"] > 0)).any():
            return []
        why = _why_unknown(rows) if cpu else "dispatch_share was not measured"
        return [_unknown(part, around, start, why)]
    most, least = own.loc[own["share"].idxmax()], own.loc[own["share"].idxmin()]
    high, low, cells = float(most["share"]), float(least["share"]), len(own)
    if unknown and high < FREE:
        # "No" would speak of the few cells without a sign of a gain, and be silent about those with one.
        why = f"{_why_unknown(rows)} in {unknown} of {unknown + cells} cells"
        return [_unknown(part, around, start, why)]
    inside = percent(high) if percent(high) == percent(low) else f"{percent(low)} to {percent(high)}"
    of_all = f"{cells} of {cells + unknown}" if unknown else f"all {cells}"
    if cells == 1:
        answer = "Yes" if low >= BOUND else "No" if high < FREE else "In part"
        text = f"{answer}: {_waiting(mode, inside, cpu)}."
    elif low >= BOUND or high < FREE:
        text = f"{'Yes' if low >= BOUND else 'No'}: {_waiting(mode, inside, cpu)}, in {of_all} cells."
    elif not _told_apart(most, least):
        text = f"{'It depends' if high >= BOUND else 'In part'}: {_waiting(mode, inside, cpu)}, in {of_all} cells."
    else:
        bound = int((own["share"] >= BOUND).sum())
        answer = "It depends" if high >= BOUND else "In part"
        text = (
            f"{answer}: {_waiting(mode, percent(high), cpu)} at {_spot(most, around)}, but only "
            f"{percent(low)} at {_spot(least, around)}; it is {percent(BOUND)} or more in {bound} of {cells} cells."
        )
    return [
        Claim(
            *(high, group_of(values), start + text + _by_model(most)),
            once=ON_CPU if cpu else "",
            at=(("mode", mode),),
            crux=Crux(
                _briefly(values, differing, text),
                percent(high),
                "of a step is dispatch, where it is most",
                _removes(rows, most, around),
                tuple(of_row(most).items()),
            ),
        )
    ]


def _unknown(part: Slice, differing: frozenset[str], start: str, why: str) -> Claim:
    """Then what it turns on is the largest gain of these rows."""
    values = part.values
    brief = _briefly(values, differing, f"Whether Python is the bottleneck here cannot be told: {why}.")
    crux, gain = Crux(brief), largest_gain(part.rows)
    if gain is not None:
        number, of = f"{ratio(float(gain['speedup_vs_eager']))}x", "the largest gain over eager that is shown"
        crux = Crux(brief, number, of, _gained(gain, differing), tuple(of_row(gain).items()))
    return Claim(0, group_of(values), f"{start}The table cannot tell: {why}.", crux=crux)


def _removes(rows: pd.DataFrame, most: pd.Series, differing: frozenset[str]) -> str:
    """What removes most of the largest share: there, else on the same axes but depth and batch; empty where nothing is
    shown to."""
    for axes in (CELL_AXES, SLICE_AXES):
        same = pd.Series(True, index=rows.index)
        for name in axes:
            same &= rows[name] == most[name]
        if (gain := largest_gain(rows[same])) is not None:
            return _gained(gain, differing)
    return ""


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
    if most["device_kind"] == "cpu" and not least["share"] > 0:
        return True  # it counts as 0, which is not what its interval is of
    return not most["dispatch_share_low"] <= least["dispatch_share_high"]  # apart where there is no interval


def _why_unknown(rows: pd.DataFrame) -> str:
    beside = rows["python_free"] & rows["ok"] & rows["speedup_vs_eager"].notna()
    if beside.any():
        return "no comparison with a mode without Python is decided"
    return "no mode without Python was measured beside it"


def _waiting(mode: str, share: str, cpu: bool) -> str:
    # On a CPU nothing waits: the same core does both.
    return (
        f"{share} of {mode}'s step is dispatch"
        if cpu
        else f"the device waits during {share} of {mode}'s step"
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
