"""Which mode is faster than eager, which slower, and where nothing can be said.

In: slices of a tidy table. Out: claims on speed-ups. Must not know other kinds.
What counts as faster, slower or the same is core.stats.verdicts'.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pandas as pd

from harness.core.stats.verdicts import FASTER, LEAST_THRESHOLD, SAME, SLOWER, UNDECIDED
from harness.report.findings.claim import Claim, aside, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.findings.speedups import compared, largest_gain, speedup_words
from harness.report.table.attribution import is_ladder
from harness.report.table.formats import count, percent
from harness.report.table.slices import Slice


def faster(part: Slice, differing: Collection[str]) -> list[Claim]:
    """Of a single cell a sentence per mode; else one on the largest gain, or that none is shown."""
    rows = compared(part.rows)
    if rows.empty:
        return []
    group, start = group_of(part.values), lead(part.values)
    gained = rows[rows["verdict"] == FASTER]
    made: list[Claim] = []
    one_cell = len(part.rows[["depth", "batch"]].drop_duplicates()) == 1
    # The ladder's own sentence names every rung of one cell.
    if one_cell and not is_ladder(part.rows):
        for _, row in gained.iterrows():
            text = f"At {place(row, differing)}, {row['mode']} runs {speedup_words(row)} as fast as eager."
            made.append(_gain(row, group, start + text))
    elif (best := largest_gain(rows)) is not None:
        head = f"At {place(best, differing)}, {best['mode']} runs"
        text = f"{head} {speedup_words(best)} as fast as eager (largest gain)."
        made.append(_gain(best, group, start + text))
    else:
        where = f"{count(int(part.values['devices']), 'device')}{aside(part.values, differing)}"
        text = f"On {where} no mode could be shown to be faster than eager in any of {len(rows)} comparisons."
        made.append(Claim(1.0, group, start + text))
    return made


def _gain(row: pd.Series, group: tuple[Any, ...], text: str) -> Claim:
    return Claim(float(row["speedup_vs_eager"]), group, text, at=_at(row))


def _at(row: pd.Series) -> tuple[tuple[str, Any], ...]:
    return ("mode", row["mode"]), ("depth", int(row["depth"])), ("batch", int(row["batch"]))


def slower(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on each mode that is slower somewhere, with its worst cell."""
    made = []
    for rows, own in _with_verdict(part, SLOWER):
        worst = rows.loc[rows["speedup_vs_eager"].idxmin()]
        text = f"At {place(worst, differing)}, {worst['mode']} is slower than eager: {speedup_words(worst)} as fast"
        weight = float(1 / worst["speedup_high"])
        said = f"{lead(part.values)}{text}{_share(rows, own)}."
        made.append(Claim(weight, group_of(part.values), said, at=_at(worst)))
    return made


def unsure(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on each mode of which nothing is decided somewhere."""

    def words(row: pd.Series) -> str:
        # An interval that does not include 1 shows a difference, but none beyond what noise makes here.
        if row["speedup_low"] > 1 or row["speedup_high"] < 1:
            faster = "faster" if row["speedup_low"] > 1 else "slower"
            least = f"the larger of {percent(LEAST_THRESHOLD)} and the noise floor"
            return f" {row['mode']} is {faster} than eager, but not shown to be so by more than {least}"
        return f" no difference between {row['mode']} and eager could be shown"

    return _of_the_last(part, differing, UNDECIDED, words)


def same(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence on each mode that is shown to take as long as eager somewhere."""
    return _of_the_last(part, differing, SAME, lambda row: f", {row['mode']} and eager take the same time")


def _of_the_last(
    part: Slice, differing: Collection[str], verdict: str, words: Callable[[pd.Series], str]
) -> list[Claim]:
    """A sentence on each mode with that verdict somewhere, at the deepest and largest of those cells: it is there that
    a reader would most expect a plain answer."""
    made = []
    for rows, own in _with_verdict(part, verdict):
        last = rows.sort_values(["depth", "batch"]).iloc[-1]
        text = f"At {place(last, differing)}{words(last)}: {speedup_words(last)}{_share(rows, own)}."
        said = lead(part.values) + text
        made.append(Claim(len(rows) / len(own), group_of(part.values), said, at=_at(last)))
    return made


def _with_verdict(part: Slice, verdict: str) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Of each mode that has it the rows with that verdict, and all of its rows."""
    for _, own in compared(part.rows).groupby("mode", sort=False):
        rows = own[own["verdict"] == verdict]
        if len(rows):
            yield rows, own


def _share(part: pd.DataFrame, whole: pd.DataFrame) -> str:
    return f" (so in {len(part)} of {count(len(whole), 'cell')})" if len(whole) > 1 else ""


FINDINGS_FIRST = (Finding("faster", frozenset(), faster, shown_by=("speedup", "ladder", "modes")),)
FINDINGS_LAST = (
    Finding("slower", frozenset(), slower, shown_by=("speedup", "ladder", "modes")),
    Finding("same", frozenset(), same, shown_by=("speedup", "modes")),
    Finding("unsure", frozenset(), unsure, shown_by=("speedup", "modes")),
)
