"""How scaling efficiency changes with the number of devices.

In: slices over device counts. Out: claims. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from harness.report.findings.claim import Claim, aside, cell, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import percent
from harness.report.table.slices import Slice
from harness.report.table.tidy import CONTROLLER_ORDER, mode_rank

# A median over cells that moves by less is called steady: it has no interval to decide by.
STEADY = 0.05


def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
    """A sentence per mode: median efficiency over cells on the fewest and on the most devices, and the worst. In that
    of the mode with the lowest median also which mode is worst of all, since it may be the only one that is read."""
    # Of the other controllers it is told with the reason why (the kind controllers).
    if part.values["controller"] != CONTROLLER_ORDER[0]:
        return []
    rows = part.rows[part.rows["ok"] & part.rows["scaling_efficiency"].notna() & (part.rows["devices"] > 1)]
    # Where all points are oversubscribed they come here too: waiting for a core is no want of scaling.
    rows = rows[~rows["oversubscribed"]]
    made: list[Claim] = []
    worst_of_all = rows.loc[rows["scaling_efficiency"].idxmin()] if len(rows) else None
    lowest = _lowest(rows)
    for mode in sorted(set(rows["mode"]), key=mode_rank):
        own = rows[rows["mode"] == mode]
        counts = sorted(int(value) for value in own["devices"].unique())
        medians = own.groupby("devices")["scaling_efficiency"].median()
        first, last = float(medians.loc[counts[0]]), float(medians.loc[counts[-1]])
        at_end = own[own["devices"] == counts[-1]]
        worst = at_end.loc[at_end["scaling_efficiency"].idxmin()]
        head = f"{lead(part.values)}Scaling efficiency of {mode}{aside(part.values, differing)}"
        if len(counts) == 1:
            last_words = _efficiency(worst) if len(at_end) == 1 else percent(last)
            text = f"{head} is {last_words} on {counts[0]} devices"
        else:
            verb = "falls" if last < first - STEADY else "rises" if last > first + STEADY else "goes"
            text = f"{head} {verb} from {percent(first)} on {counts[0]} to {percent(last)} on {counts[-1]} devices"
            if percent(first) == percent(last):
                text = f"{head} is {percent(last)} on {counts[0]} as on {counts[-1]} devices"
        if len(at_end) > 1:
            least = f"{_efficiency(worst)} at {cell(worst)}"
            if mode == lowest and worst_of_all is not None and worst_of_all["mode"] != mode:
                other = f"{worst_of_all['mode']}'s {_efficiency(worst_of_all)} at {cell(worst_of_all)}"
                least += f", and of all modes {other}"
            text += f" (medians over {len(at_end)} cells; least {least})"
        made.append(Claim(1.0 - last, group_of(part.values), text + "."))
    return made


def _lowest(rows: pd.DataFrame) -> str:
    """The mode whose median is the lowest on its most devices; of equals the first in the report's order."""
    medians = {}
    for mode, own in rows.groupby("mode"):
        medians[str(mode)] = own.loc[own["devices"] == own["devices"].max(), "scaling_efficiency"].median()
    return min(medians, key=lambda mode: (medians[mode], mode_rank(mode)), default="")


def _efficiency(row: pd.Series) -> str:
    """`61 % [55 %, 67 %]`."""
    low, high = row["scaling_efficiency_low"], row["scaling_efficiency_high"]
    ends = f" [{percent(low)}, {percent(high)}]" if low == low and high == high else ""
    return percent(row["scaling_efficiency"]) + ends


FINDING = Finding("scaling", frozenset({"devices"}), claims, shown_by=("scaling",))
