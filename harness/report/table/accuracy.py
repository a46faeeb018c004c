"""How far a model of cost is off, in words that stand wherever it is used.

In: an Error. Out: a part of a sentence. Must not know what the model predicts.
"""

from __future__ import annotations

from harness.costs.step import Error
from harness.report.table.formats import count, percent


def error_words(error: Error) -> str:
    """`off by 6.1 % in the median, 14 % at the 90th percentile, on 36 points it was not fitted on`."""
    if not error.points:
        return "error unknown"
    return (
        f"off by {percent(error.median)} in the median, {percent(error.p90)} at the 90th percentile, "
        f"on {count(error.points, 'point')} it was not fitted on"
    )
