"""Whether warnings put the answer of a page in doubt, or only figures elsewhere.

In: the tidy table, the answer's row. Out: a sentence. Must not know HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.core.warnings import WARNINGS, WIDE, names
from harness.report.table.formats import count, listed
from harness.report.table.slices import CELL_AXES

_WIDE = {warning.name for warning in WIDE}


def standing(table: pd.DataFrame, row: Mapping[str, Any], urgent: tuple[str, ...]) -> str:
    """Empty where no point carries a warning. row: the answer's, by axis. urgent: remedies of what puts a figure in
    doubt, the worst first."""
    warned = table[table["ok"] & (table["warnings"] != "")]
    if warned.empty:
        return ""
    own = warned
    for axis in CELL_AXES:
        if axis in row:
            own = own[own[axis] == row[axis]]
    here = _names(own)
    for remedy in urgent:
        found = [name for name in here if name not in _WIDE and name in WARNINGS]
        if found := [name for name in found if WARNINGS[name].remedy == remedy]:
            advice = f"{remedy[0].lower()}{remedy[1:]}"
            return f"Before you rely on it: {advice} ({listed(found)} at the points of this answer)."
    if found := [name for name in here if name in _WIDE]:
        return (
            f"Points of this answer are {listed(found)}: their intervals are wider than was asked for, and what they "
            "show is shown all the same."
        )
    be = "carries" if len(warned) == 1 else "carry"
    where = "none of them" if len(warned) > 1 else "which is not"
    carried = f"{len(warned)} of {count(len(table), 'point')} {be} a warning ({listed(_names(warned))})"
    return f"{carried}, {where} of this number."


def _names(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(name for text in rows["warnings"] for name in names(text)))
