"""One table that every part of the report can trust.

In: runs, or a table of points as analysis leaves it. Out: a table without missing columns or missing text,
with helper columns. Must not know figures, pages or the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.analysis.families import family_of
from harness.analysis.run import Run
from harness.core import warnings
from harness.core.axes import AXES, DEFAULTS
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, NO, OK, TEXT_COLUMNS, YES
from harness.core.warnings import PointWarning
from harness.report.table.decided import undecided_shares
from harness.report.table.formats import one_line

# Eager first, since all others are compared with it; then in the order in which Python's part shrinks.
MODE_ORDER = (
    *("eager", "symbolic", "script", "trace", "frozen", "compile", "compile_graphs", "cudagraph"),
    *("aoti", "native"),
)
# From most interpreters to one thread for all devices.
CONTROLLER_ORDER = ("processes", "threads", "loop")

EMULATED = "emulated"
EMULATED_MARK = "EMULATED - modelled, not measured"


def mode_rank(mode: str) -> tuple[int, str]:
    """Sorting key of modes, the same in every figure and table."""
    return (MODE_ORDER.index(mode) if mode in MODE_ORDER else len(MODE_ORDER), mode)


def controller_rank(controller: str) -> tuple[int, str]:
    """Sorting key of controllers, the same in every figure and sentence."""
    known = controller in CONTROLLER_ORDER
    return (CONTROLLER_ORDER.index(controller) if known else len(CONTROLLER_ORDER), controller)


def labels(runs: Sequence[Run]) -> list[str]:
    """The runs' labels, told apart where two runs have the same."""
    seen: dict[str, int] = {}
    result = []
    for run in runs:
        seen[run.label] = seen.get(run.label, 0) + 1
        result.append(run.label if seen[run.label] == 1 else f"{run.label} ({seen[run.label]})")
    return result


def combined(runs: Sequence[Run]) -> pd.DataFrame:
    """The points of all runs; with a leading column `run` where there are several."""
    if len(runs) == 1:
        return runs[0].points
    tables = [
        run.points.assign(run=label)[["run", *run.points.columns]]
        for run, label in zip(runs, labels(runs), strict=True)
    ]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled or tables[:1], ignore_index=True) if tables else pd.DataFrame(columns=[*COLUMNS])


def tidy(points: pd.DataFrame) -> pd.DataFrame:
    """The columns of schema and `run`, `family`, `ok`, `emulated`, `oversubscribed`, `marked` (to be drawn hollow),
    `python_free`, `locked`: whether the mode itself said that it needs no Python, and that it holds the interpreter's
    lock while it issues; `share_undecided`: whether its dispatch share rests on a comparison that decides nothing.

    Integers of axes are int64, 0 where there is none (the depth of a model that is no MLP), numbers float64 with NaN
    for whatever is not finite, text is one line.
    """
    result: dict[str, object] = {}
    for name in ("run", *COLUMNS):
        missing = pd.Series([DEFAULTS.get(name)] * len(points))
        column = points[name] if name in points.columns else missing
        if name == "run" or name in TEXT_COLUMNS:
            cells = ["" if pd.isna(cell) else str(cell) for cell in column]
            result[name] = np.array([one_line(cell) for cell in cells] or [], dtype=object)
        else:
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
            numbers = np.where(np.isfinite(numbers), numbers, np.nan)
            axis = name in AXES and name in INTEGER_COLUMNS
            result[name] = np.nan_to_num(numbers).astype("int64") if axis else numbers
    table = pd.DataFrame(result)
    for name in ("run", *TEXT_COLUMNS):
        table[name] = table[name].astype(object)
    pairs = zip(table["model"], table["depth"], strict=True)
    table["family"] = pd.Series([family_of(*pair) for pair in pairs], dtype=object)
    table["ok"] = table["status"] == OK
    table["emulated"] = (table["device_kind"] == EMULATED) | carrying(table, warnings.EMULATED)
    table["oversubscribed"] = carrying(table, warnings.OVERSUBSCRIBED)
    table["marked"] = carrying(table, *warnings.HOLLOW)
    table["python_free"] = table["needs_python"] == NO
    table["locked"] = table["holds_lock"] == YES
    table["share_undecided"] = undecided_shares(table)
    return table


def carrying(rows: pd.DataFrame, *wanted: PointWarning) -> npt.NDArray[np.bool_]:
    """For each row, whether any of these warnings stands in it."""
    return np.array([warnings.carries(text, *wanted) for text in rows["warnings"]], dtype=bool)
