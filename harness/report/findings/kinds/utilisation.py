"""Where the utilisation that NVML reports misleads.

In: a slice of one run and device. Out: a claim. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection

from harness.core.warnings import UTILISATION_DIFFERS
from harness.report.findings.claim import Claim, group_of, lead, place
from harness.report.findings.finding import Finding
from harness.report.table.formats import count, percent
from harness.report.table.slices import WITHIN_DEVICE, Slice
from harness.report.table.tidy import carrying


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """One sentence; none where there are no samples."""
    rows = part.rows[part.rows["ok"]]
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
        return [Claim(0.0, group_of(part.values), text)]
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
    return [Claim(float(worst["apart"]), group_of(part.values), text)]


FINDING = Finding("utilisation", WITHIN_DEVICE, claims, shown_by=("utilisation",))
