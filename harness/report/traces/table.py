"""Rows of a table about traces as text.

In: dicts. Out: CSV, and cells for a page. Must not know what the columns mean.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(columns: Sequence[str], table: Iterable[dict[str, Any]]) -> str:
    """What is not known, or not a number, is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow({key: cell(value) for key, value in row.items()})
    return text.getvalue()


def cell(value: object, digits: int = 9) -> object:
    """digits: of a number."""
    if value is None or value != value:  # NaN
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else value
