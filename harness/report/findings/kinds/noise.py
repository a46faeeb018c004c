"""By how much a thing differs from itself here: what lies below it is no difference.

In: a slice of one run and device. Out: a claim. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.analysis.noise import Floor, noise_floor
from harness.core.stats.verdicts import HIGHEST_FLOOR, threshold
from harness.report.findings.claim import EAGER, Claim, aside, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import count, percent
from harness.report.table.slices import WITHIN_DEVICE, Slice


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence on the null, and one where nothing can be decided since there was one session only."""
    rows = part.rows[part.rows["ok"]]
    texts = [text for text in (_floor(noise_floor(rows)), _once(rows)) if text]
    start, where = lead(part.values), aside(part.values, differing)
    return [Claim(1.0, group_of(part.values), f"{start}{text}{where}.") for text in texts]


def _floor(floor: Floor) -> str:
    """Empty where nothing was compared with itself."""
    if not floor.nulls:
        return ""
    held = ""
    if floor.with_interval:
        held = f"; {floor.holding_one} of {count(floor.with_interval, 'interval')} with 1 within"
    head = (
        f"The step times of two builds of the same {EAGER} model differ by up to {percent(floor.largest)} here "
        f"({count(floor.nulls, 'cell')}{held})"
    )
    quantile = f"the 95th percentile is {percent(floor.relative)}"
    if floor.relative > HIGHEST_FLOOR:
        return f"{head}; {quantile}, more than {percent(HIGHEST_FLOOR)}, so that every comparison is left undecided"
    least = percent(threshold(floor.relative))
    return (
        f"{head}; {quantile}, so that step times must differ by more than {least} to count. It says nothing of how far "
        "a share is off"
    )


def _once(rows: pd.DataFrame) -> str:
    """Where points were measured in one session and have no interval."""
    once = rows[(rows["sessions"] == 1) & rows["step_us_low"].isna()]
    if once.empty:
        return ""
    which = (
        "Every point was" if len(once) == len(rows) else f"{len(once)} of {count(len(rows), 'point')} were"
    )
    return (
        f"{which} measured in one session, which says nothing of how sessions differ: no interval is given, and no "
        "comparison decided; timing=normal repeats the sweep in several"
    )


FINDING = Finding("noise", WITHIN_DEVICE, claims, shown_by=("step_time", "modes"))
