"""Numbers and rows as text.

In: numbers with intervals, rows of texts. Out: text. Must not know what the numbers are of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.core.stats.intervals import Interval


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what is in them; the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        yield "  " + "  ".join(cells).rstrip()


def microseconds(us: float) -> str:
    digits = 0 if abs(us) >= 1000 else 1 if abs(us) >= 100 else 2
    return f"{us:,.{digits}f}"


def percent(share: float) -> str:
    return f"{round(100 * share)} %"  # whole: no -0


def ends(interval: Interval, text: Any) -> str:
    return "" if interval.low == interval.high else f"[{text(interval.low)}, {text(interval.high)}]"
