"""Speed-ups over eager, as far as something can be said of them, and their words.

In: rows of a tidy table. Out: those with an interval; parts of sentences. Must not know the sentences.
"""

from __future__ import annotations

import pandas as pd

from harness.core.stats.verdicts import FASTER
from harness.report.findings.claim import EAGER
from harness.report.table.formats import times


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of other modes than eager with a speed-up and its interval."""
    known = rows["speedup_vs_eager"].notna() & rows["speedup_low"].notna() & rows["speedup_high"].notna()
    return rows[rows["ok"] & known & (rows["mode"] != EAGER)]


def largest_gain(rows: pd.DataFrame) -> pd.Series | None:
    """The row with the largest gain over eager that is shown; None where none is."""
    gained = compared(rows)
    gained = gained[gained["verdict"] == FASTER]
    return None if gained.empty else gained.loc[gained["speedup_vs_eager"].idxmax()]


def speedup_words(row: pd.Series) -> str:
    """`3.10x [2.90, 3.30]`."""
    return times(row["speedup_vs_eager"], row["speedup_low"], row["speedup_high"])
