"""A plain answer to: is Python the bottleneck here?

In: rows of one run, device and workload. Out: claims on the share of a step in which the device waits, and on
how many devices one thread can feed. Must not know other claims.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.core import warnings
from harness.report.findings.claim import EAGER, Claim, Topic, aside, cell, group_of, lead
from harness.report.findings.gains import compared
from harness.report.table.formats import count, listed, percent, significant
from harness.report.table.slices import CELL_AXES
from harness.report.table.tidy import controller_rank, mode_rank

# Over half of the step waiting: Python decides. Under a tenth: making it free would hardly be noticed.
BOUND, FREE = 0.5, 0.1

GROUP = ("run", "device_kind", "device_name", "emulated", "workload")


def _shares(rows: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """The mode asked about (eager where measured) and its rows with a share, as far as that can be trusted."""
    modes = sorted(set(rows["mode"]), key=mode_rank)
    mode = EAGER if EAGER in modes else (modes[0] if modes else "")
    own = rows[(rows["mode"] == mode) & rows["ok"] & rows["dispatch_share"].notna()]
    own = own.assign(share=own["dispatch_share"].clip(0, 1))
    if len(own) and mode == EAGER and (own["device_kind"] == "cpu").all():
        # On CPU the share is nothing but the gain of the fastest mode: without another mode in the cell there
        # is none, and where no gain is shown, none is claimed.
        # That of a mode with Python proves nothing here.
        others = compared(rows)
        others = others[others["python_free"]]
        cells = pd.MultiIndex.from_frame(own[list(CELL_AXES)])
        known, proven = (
            cells.isin(pd.MultiIndex.from_frame(part[list(CELL_AXES)]))
            for part in (others, others[others["speedup_low"] > 1])
        )
        own = own.assign(share=own["share"].where(proven, 0.0))[known]
    return mode, own


def claims(rows: pd.DataFrame, differing: Collection[str]) -> list[Claim]:
    found: list[Claim] = []
    explained = False
    for key, part in rows.groupby(list(GROUP), sort=False, dropna=False):
        # Of several controllers the one that gives each device an issuer of its own: what the others make of one
        # issuer is told apart (findings/controllers).
        controller = min(set(part["controller"]), key=controller_rank)
        part = part[part["controller"] == controller]
        values = {**dict(zip(GROUP, key, strict=True)), "controller": controller}
        named = [name for name in (*GROUP, "controller") if name in differing]
        verdict = _verdict(part, values, named, explain=not explained)
        explained = explained or (bool(verdict) and values["device_kind"] == "cpu")
        found += verdict
        found += _feedable(part, values, named)
    return found


def _verdict(
    rows: pd.DataFrame, values: dict[str, object], named: Collection[str], *, explain: bool
) -> list[Claim]:
    mode, own = _shares(rows)
    start = f"{lead(values)}Is Python the bottleneck here{aside(values, named)}? "
    cpu = values["device_kind"] == "cpu"
    if own.empty:
        if not (rows["ok"] & (rows["step_us"] > 0)).any():
            return []
        why = "no mode without Python was measured beside it" if cpu else "dispatch_share was not measured"
        return [Claim(Topic.VERDICT, 0, group_of(values), f"{start}The table cannot tell: {why}.")]
    most, least = own.loc[own["share"].idxmax()], own.loc[own["share"].idxmin()]
    high, low, cells = float(most["share"]), float(least["share"]), len(own)
    inside = percent(high) if percent(high) == percent(low) else f"{percent(low)} to {percent(high)}"
    if cells == 1:
        answer = "Yes" if low >= BOUND else "No" if high < FREE else "In part"
        text = f"{answer}: {_waiting(mode, inside, cpu)}."
    elif low >= BOUND or high < FREE:
        text = f"{'Yes' if low >= BOUND else 'No'}: {_waiting(mode, inside, cpu)}, in all {cells} cells."
    else:
        bound = int((own["share"] >= BOUND).sum())
        answer = "It depends" if high >= BOUND else "In part"
        text = (
            f"{answer}: {_waiting(mode, percent(high), cpu)} at {_spot(most)}, but only "
            f"{percent(low)} at {_spot(least)}; it is {percent(BOUND)} or more in {bound} of {cells} cells."
        )
    if cpu and explain:
        text += (
            " On CPU host and device are the same cores, so that the share is measured against the fastest mode "
            "without Python, and counts as 0 where no such mode is shown to be faster than eager."
        )
    return [Claim(Topic.VERDICT, high, group_of(values), start + text)]


def _waiting(mode: str, share: str, cpu: bool) -> str:
    # On a CPU nothing waits: the same core does both.
    return (
        f"{share} of {mode}'s step is dispatch"
        if cpu
        else f"the device waits during {share} of {mode}'s step"
    )


def _spot(row: pd.Series) -> str:
    return f"{cell(row)} on {count(int(row['devices']), 'device')}"


def _many(row: pd.Series) -> str:
    """Where the queue was full while a burst was issued, part of issue_us is waiting for the device."""
    bound = "at least " if warnings.carries(row["warnings"], warnings.BACK_PRESSURE) else ""
    return bound + significant(row["feedable_devices"])


def _feedable(rows: pd.DataFrame, values: dict[str, object], named: Collection[str]) -> list[Claim]:
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
        if most["feedable_devices"] > least["feedable_devices"]:
            text = f"{_many(least)} ({cell(least)}) to {_many(most)} ({cell(most)}) devices with {mode}"
        texts.append(text)
    more = len(modes) - len(texts)
    shown = [*texts, *([f"{count(more, 'more mode')} in the table"] if more else [])]
    text = f"{lead(values)}One thread can keep busy{aside(values, named)}: {listed(shown)}."
    return [Claim(Topic.FEEDABLE, 1.0, group_of(values), text)]
