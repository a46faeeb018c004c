"""points.csv.

In: a table of points. Out: the CSV file, safe to open in a spreadsheet. Must not know runs or figures.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.core.files.made import Made
from harness.core.schema import COLUMNS

# A spreadsheet takes a cell that begins so for a formula and would execute it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
FLOAT_FORMAT = "%.6g"


def defused(cell: object) -> object:
    """Text that would be a formula gets a leading apostrophe; numbers are left alone."""
    if not isinstance(cell, str):
        return cell
    # NUL cannot be read back from a CSV by Python 3.10.
    text = cell.replace("\x00", "")
    text = f"'{text}" if text.startswith(FORMULA_STARTS) else text
    # A lone carriage return is left unquoted by Python before 3.13, and would end the row for a reader.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_csv(points: pd.DataFrame, made: Made, file: str = "points.csv") -> Path:
    """Columns of schema.COLUMNS in their order, after a column `run` where the table has one. Answers the path."""
    names = [*(["run"] if "run" in points.columns else []), *COLUMNS]
    return write_table(points.reindex(columns=names), made, file)


def write_table(table: pd.DataFrame, made: Made, file: str) -> Path:
    """Any table, its texts made safe in the same way. Answers the path."""
    table = table.copy()
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name].dtype):
            table[name] = pd.Series([defused(cell) for cell in table[name]], index=table.index, dtype=object)
    return made.write_text(file, table.to_csv(index=False, float_format=FLOAT_FORMAT, lineterminator="\n"))
