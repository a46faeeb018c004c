"""Rows of a table about traces as text.

In: dicts. Out: CSV. Must not know what the columns mean.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(columns: Sequence[str], table: Iterable[dict[str, Any]]) -> str:
    """What is not known, or not a number, is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in table)
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None or value != value:  # NaN
        return ""
    return f"{value:.9g}" if isinstance(value, float) else value
