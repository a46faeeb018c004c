"""compare.html: one file that needs nothing else.

In: Comparisons. Out: HTML with the figures inside. Must not know how anything was compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from harness.compare.compared import Comparison
from harness.compare.left_out import label
from harness.compare.shown import words
from harness.report.page import templates
from harness.report.shown.image import inline

# A page of 50,000 rows is none that one reads: all of them are in compare.csv.
MOST_ROWS = 2000


def render(found: Sequence[Comparison], figures: Sequence[bytes]) -> str:
    """figures: SVG of each."""
    title = f"{' and '.join(each.b for each in found)} beside {found[0].a}"
    return (
        templates()
        .get_template("compare.html.j2")
        .render(
            title=title,
            written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            parts=[_part(each, figure) for each, figure in zip(found, figures, strict=True)],
        )
    )


def _part(found: Comparison, figure: bytes) -> dict[str, Any]:
    rows = words.ordered(found)
    return {
        "headline": words.headline(found),
        "is_change": found.is_change,
        "differences": (words.DIFFERENCES_HEADER, list(found.differences)),
        "summary": list(words.summary(found)),
        "movers": [
            f"{label(row.axes)}: {row.judged.verdict}, {row.impact_us:+.3g} us a step"
            for row in found.movers[:10]
        ],
        "image": inline(figure) if found.rows else "",
        "table": (words.HEADER, words.table(rows[:MOST_ROWS])),
        "more": max(0, len(rows) - MOST_ROWS),
        "why_left_out": words.why_left_out(found),
        "left_out": (words.LEFT_OUT_HEADER, [(each.label, each.why) for each in found.left_out[:MOST_ROWS]]),
        "notes": list(words.notes(found)),
    }
