"""Rows of a table about traces as CSV.

In: dicts. Out: an open file. Must not know what the columns mean.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any


@contextmanager
def csv_file(columns: Sequence[str], table: Iterable[dict[str, Any]]) -> Iterator[IO[bytes]]:
    """In UTF-8, to be read from its beginning; on disk, since a long trace has millions of gaps. What is not known, or
    not a number, is empty."""
    with tempfile.TemporaryFile() as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in table)
        text.detach()  # or it would close the file
        file.seek(0)
        yield file


def _cell(value: object) -> object:
    if value is None or value != value:  # NaN
        return ""
    return f"{value:.9g}" if isinstance(value, float) else value
