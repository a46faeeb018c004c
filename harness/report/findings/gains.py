"""Which mode is faster than eager, which slower, and where nothing can be said.

In: slices of a tidy table. Out: claims on speed-ups. Must not know other claims.
A mode counts as faster or slower only where the whole 95 % interval lies on one side of 1.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.report.findings.claim import EAGER, Claim, Topic, aside, group_of, lead, place
from harness.report.table.attribution import is_ladder
from harness.report.table.formats import count, times
from harness.report.table.slices import Slice

# Below this a gain seldom pays for the restrictions of a mode.
WORTHWHILE = 1.10


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of other modes than eager with a speed-up and its interval."""
    known = rows["speedup_vs_eager"].notna() & rows["speedup_low"].notna() & rows["speedup_high"].notna()
    return rows[rows["ok"] & known & (rows["mode"] != EAGER)]


def _text(row: pd.Series) -> str:
    return times(row["speedup_vs_eager"], row["speedup_low"], row["speedup_high"])


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    rows = compared(part.rows)
    if rows.empty:
        return []
    group, start = group_of(part.values), lead(part.values)
    faster, slower = rows[rows["speedup_low"] > 1], rows[rows["speedup_high"] < 1]
    unsure = rows.drop(faster.index).drop(slower.index)
    found: list[Claim] = []
    one_cell = len(part.rows[["depth", "batch"]].drop_duplicates()) == 1
    # The ladder's own sentence names every rung of one cell.
    if one_cell and not is_ladder(part.rows):
        for _, row in faster.iterrows():
            text = f"At {place(row, differing)}, {row['mode']} runs {_text(row)} as fast as eager."
            found.append(Claim(Topic.GAIN, float(row["speedup_vs_eager"]), group, start + text))
    elif len(faster):
        best = faster.loc[faster["speedup_vs_eager"].idxmax()]
        text = (
            f"At {place(best, differing)}, {best['mode']} runs {_text(best)} as fast as eager (largest gain)."
        )
        found.append(Claim(Topic.GAIN, float(best["speedup_vs_eager"]), group, start + text))
    else:
        where = f"{count(int(part.values['devices']), 'device')}{aside(part.values, differing)}"
        text = f"On {where} no mode could be shown to be faster than eager in any of {len(rows)} comparisons."
        found.append(Claim(Topic.GAIN, 1.0, group, start + text))
    for mode, own in rows.groupby("mode", sort=False):
        found += _slower(own, slower[slower["mode"] == mode], group, start, differing)
        found += _unsure(own, unsure[unsure["mode"] == mode], group, start, differing)
        found += _fading(own, group, start, differing)
    return found


def _share(part: pd.DataFrame, whole: pd.DataFrame) -> str:
    return f" (so in {len(part)} of {count(len(whole), 'cell')})" if len(whole) > 1 else ""


def _slower(
    own: pd.DataFrame, slower: pd.DataFrame, group: tuple[object, ...], start: str, differing: Collection[str]
) -> list[Claim]:
    if slower.empty:
        return []
    worst = slower.loc[slower["speedup_vs_eager"].idxmin()]
    text = f"At {place(worst, differing)}, {worst['mode']} is slower than eager: {_text(worst)} as fast"
    return [
        Claim(Topic.SLOWER, float(1 / worst["speedup_high"]), group, f"{start}{text}{_share(slower, own)}.")
    ]


def _unsure(
    own: pd.DataFrame, unsure: pd.DataFrame, group: tuple[object, ...], start: str, differing: Collection[str]
) -> list[Claim]:
    if unsure.empty:
        return []
    # The deepest and largest of them: it is there that a reader would most expect a plain answer.
    last = unsure.sort_values(["depth", "batch"]).iloc[-1]
    text = (
        f"At {place(last, differing)} no difference between {last['mode']} and eager could be shown: "
        f"{_text(last)}{_share(unsure, own)}."
    )
    return [Claim(Topic.NONE, len(unsure) / len(own), group, start + text)]


def _fading(
    own: pd.DataFrame, group: tuple[object, ...], start: str, differing: Collection[str]
) -> list[Claim]:
    """The smallest batch from which on the gain is shown to be under 10 %, at the deepest model."""
    deepest = own[own["depth"] == own["depth"].max()].sort_values("batch")
    if deepest["batch"].nunique() < 2:
        return []
    first = deepest.iloc[0]
    head = f"{start}At depth {int(first['depth'])} on {count(int(first['devices']), 'device')}"
    head += f"{aside(first, differing)}, {first['mode']}"
    small = (deepest["speedup_high"] < WORTHWHILE).tolist()
    if all(small):
        text = f"{head} gains less than 10 % over eager at every batch measured."
        return [Claim(Topic.FADING, 1.0, group, text)]
    if small[-1]:
        index = len(small) - small[::-1].index(False)
        text = f"{head} gains less than 10 % over eager from batch {int(deepest.iloc[index]['batch'])} on."
        return [Claim(Topic.FADING, float(deepest["speedup_vs_eager"].max()), group, text)]
    last = deepest.iloc[-1]
    if last["speedup_low"] >= WORTHWHILE:
        text = f"{head} still gains 10 % or more at the largest batch ({int(last['batch'])}): {_text(last)}."
        return [Claim(Topic.FADING, float(last["speedup_low"]), group, text)]
    return []
