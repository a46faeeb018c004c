"""Comparisons as a table of comma-separated values, and as JSON.

In: Comparisons. Out: texts. Must not know how anything was compared, nor where texts go.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from harness.compare.compared import Comparison, Judged, Row
from harness.core import axes
from harness.core.schema import OK
from harness.duel.shown import OVERALL
from harness.report.csvfile import defused

# What all step times have in common; beside a duel's row for all cells.
COMMON = "common"
# A duel's, in its order; then what a comparison has beside.
COLUMNS = (
    *("key", *axes.AXES, "a", "b", "ratio", "ratio_low", "ratio_high", "verdict"),
    *("a_us", "b_us", "impact_us", "through", "disturbed", "floor", "warnings", "status", "error"),
)
LEFT_OUT = "left out"


def as_csv(found: Sequence[Comparison]) -> str:
    """A row a point and run, one of all together, one of what they have in common, then what was left out."""
    made = io.StringIO()
    writer = csv.DictWriter(made, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for each in found:
        writer.writerows({name: defused(value) for name, value in row.items()} for row in _rows(each))
    return made.getvalue()


def _rows(found: Comparison) -> Iterator[dict[str, object]]:
    named = {"a": found.a, "b": found.b}
    floor = {"floor": _digits(found.floor)}
    for row in found.rows:
        yield {**named, **floor, **_point(row), **_judged(row.judged), "status": OK}
    for key, each in ((OVERALL, found.overall), (COMMON, found.common)):
        if each is not None:
            yield {"key": key, **named, **floor, **_judged(each), "status": OK}
    for out in found.left_out:
        yield {"key": out.key, **named, "status": LEFT_OUT, "error": f"{out.label}: {out.why}"}


def _point(row: Row) -> dict[str, object]:
    return {
        "key": row.key,
        **row.axes,
        **{"a_us": _digits(row.a_us), "b_us": _digits(row.b_us), "impact_us": _digits(row.impact_us)},
        **{"through": row.through, "disturbed": row.disturbed, "warnings": ";".join(row.warnings)},
    }


def _judged(each: Judged) -> dict[str, object]:
    numbers = {
        "ratio": each.ratio.estimate,
        "ratio_low": each.ratio.low,
        "ratio_high": each.ratio.high,
    }
    return {**{name: _digits(value) for name, value in numbers.items()}, "verdict": each.verdict}


def as_json(found: Sequence[Comparison]) -> str:
    return json.dumps({"comparisons": [_plain(each) for each in found]}, indent=1, allow_nan=False)


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        **{"a": found.a, "b": found.b, "is_change": found.is_change},
        "differences": [dict(zip(("fact", "a", "b"), row, strict=True)) for row in found.differences],
        **{"counts": found.counts, "floor": _number(found.floor)},
        **{"overall": _verdict(found.overall), "common": _verdict(found.common)},
        "movers": [row.key for row in found.movers],
        "points": [
            {
                "key": row.key,
                "axes": {name: _scalar(value) for name, value in row.axes.items()},
                **{"a_us": _number(row.a_us), "b_us": _number(row.b_us), "impact_us": _number(row.impact_us)},
                **{"through": row.through, "disturbed": row.disturbed, "warnings": list(row.warnings)},
                **(_verdict(row.judged) or {}),
            }
            for row in found.rows
        ],
        "left_out": [vars(each) for each in found.left_out],
        "notes": list(found.notes),
    }


def _verdict(each: Judged | None) -> dict[str, Any] | None:
    if each is None:
        return None
    ratio = each.ratio
    numbers = {"ratio": ratio.estimate, "low": ratio.low, "high": ratio.high}
    return {**{name: _number(value) for name, value in numbers.items()}, "verdict": each.verdict}


def _scalar(value: object) -> object:
    """numpy's own numbers are none to JSON."""
    return value if isinstance(value, (str, int)) else str(value)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _digits(value: float) -> float | str:
    """A number, since a text that begins with a minus would be taken for a formula; "" where there is none."""
    return float(f"{value:.6g}") if math.isfinite(value) else ""
