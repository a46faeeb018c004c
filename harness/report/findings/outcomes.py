"""What could not be measured, and what must not be read as Python's doing.

In: a tidy table. Out: sentences. Must not know the claims made of the rest.
"""

from __future__ import annotations

import pandas as pd

from harness.core import warnings
from harness.core.schema import STATUSES
from harness.report.table.formats import count, one_line

MOST_REASONS = 3
REASON_LENGTH = 160

_DID = {
    "unsupported": "{} not supported",
    "failed": "{} failed",
    "oom": "{} ran out of memory",
    "timeout": "{} ran into the time limit",
    "mismatch": "{} gave another result than eager and {} not timed",
}


def failures(points: pd.DataFrame) -> list[str]:
    """A sentence per status, its reasons grouped, the most frequent first."""
    bad = points[~points["ok"]]
    sentences = []
    for status in [*STATUSES, *sorted(set(bad["status"]) - set(STATUSES))]:
        rows = bad[bad["status"] == status]
        if rows.empty:
            continue
        number = len(rows)
        be = "was" if number == 1 else "were"
        pattern = _DID.get(
            status, "{} ended as " + (status or "(no status)").replace("{", "").replace("}", "")
        )
        text = pattern.format(count(number, "point"), be)
        text = text.replace(" not supported", f" {be} not supported")
        reasons = rows["error"].map(lambda error: one_line(error, REASON_LENGTH) or "no reason recorded")
        groups = reasons.value_counts()
        named = [f"{reason} ({times})" if len(groups) > 1 else reason for reason, times in groups.items()]
        more = len(named) - MOST_REASONS
        named = named[:MOST_REASONS] + ([f"and {count(more, 'other reason')}"] if more > 0 else [])
        sentences.append(f"{text} ({count(len(points), 'point')} in all): {'; '.join(named)}.")
    return sentences


def load(points: pd.DataFrame) -> str:
    """Empty where no other program was in the way."""
    ok = points[points["ok"]]
    rows = ok[[warnings.carries(text, warnings.LOADED) for text in ok["warnings"]]]
    if rows.empty:
        return ""
    be = "was" if len(rows) == 1 else "were"
    worst = rows["others_share"].max()
    used = f" (up to {100 * worst:.0f} % of the cores)" if worst == worst else ""
    return (
        f"{len(rows)} of {count(len(ok), 'measured point')} {be} measured while other programs used the machine{used}: "
        "read their intervals with that in mind, or end those programs and measure again."
    )


def oversubscription(points: pd.DataFrame) -> str:
    """Empty where nothing was oversubscribed."""
    rows = points[points["oversubscribed"] & points["ok"]]
    if rows.empty:
        return ""
    ok = int(points["ok"].sum())
    if len(rows) == ok:
        return (
            f"All {count(ok, 'measured point')} were oversubscribed: waiting for a core is part of every step time. "
            "What follows must not be read as Python overhead."
        )
    be = "is" if len(rows) == 1 else "are"
    return (
        f"{len(rows)} of {count(ok, 'measured point')} {be} oversubscribed: waiting for a core is part of their step "
        "time. They must not be read as Python overhead and are left out of the other sentences here."
    )
