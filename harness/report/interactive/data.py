"""The points as a page's script reads them.

In: a tidy table. Out: JSON that may stand within a script tag. Must not know what is made of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.core import axes
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, TEXT_COLUMNS, ends
from harness.report.table.tidy import EMULATED_MARK, mode_rank

# By which points are told apart, in the order of the filters.
FAMILY = "family"
FILTERS = ("run", "device_kind", "device_name", FAMILY, *axes.AXES, "status")
# Columns that a figure may show, in the order in which they are offered.
MEASURES = (
    *("step_us", "speedup_vs_eager", "dispatch_share", "throughput_samples_s", "issue_us", "device_us"),
    *("scaling_efficiency", "feedable_devices", "speedup_vs_here", "tensor_peak_mib", "energy_mj_per_sample"),
    *("util_mean_pct", "first_call_s"),
)
# Beside the axes: what a reader wants of a point first.
MAIN = (
    *("step_us", "step_us_low", "step_us_high", "speedup_vs_eager", "speedup_low", "speedup_high", "verdict"),
    *("dispatch_share", "rounds", "warnings", "status", "key"),
)
# Columns that a table of points has not.
OTHERS = {"run": "the run", FAMILY: "the model at whatever depth"}
UNKNOWN = "#888888"
# Vega's, the ones first that are told apart best.
SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "triangle-down",
    "cross",
    "triangle-right",
    "triangle-left",
)
# As many digits as in points.csv.
DIGITS = 6
# Characters that end a script tag, begin a comment in it, or end a line of JavaScript but not of JSON.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def embedded(value: object) -> str:
    """JSON in which no character can be taken for HTML."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def points_json(
    table: pd.DataFrame, colours: Mapping[str, str], environments: Mapping[str, str] | None = None
) -> str:
    """Columns that have a value anywhere, the modes in their order, how each looks, and what to call them.

    colours: of each mode, as in the figures. environments: the colour of each, where there are several.
    """
    names = [name for name in ("run", *COLUMNS) if name in table.columns]
    # Of uniform models alone the width says it.
    if len(table) and table.groupby("width")[FAMILY].nunique().max() > 1:
        names.append(FAMILY)
    columns = [column for name in names if (column := _column(name, table[name])) is not None]
    modes = sorted(set(table["mode"]), key=mode_rank)
    return embedded(
        {
            "rows": len(table),
            "columns": columns,
            "emulated": [int(value) for value in table["emulated"]],
            "hollow": [int(value) for value in table["marked"]],
            "modes": modes,
            "looks": list(_looks(table, modes, colours, environments or {})),
            "filters": FILTERS,
            "measures": MEASURES,
            "main": MAIN,
            "ends": {name: _ends(name) for name in MEASURES},
            "mark": EMULATED_MARK if table["emulated"].any() else "",
        }
    )


def _looks(
    table: pd.DataFrame, modes: list[str], colours: Mapping[str, str], environments: Mapping[str, str]
) -> Iterator[tuple[str, str, str, str]]:
    """Environment, mode, colour and shape: of one environment, which then is empty, a colour a mode; of several a
    colour each, and a shape a mode of it, since modes of the same name are not the same there."""
    if len(environments) < 2:
        yield from (("", mode, colours.get(mode, UNKNOWN), SHAPES[0]) for mode in modes)
        return
    for environment, colour in environments.items():
        there = set(table.loc[table["environment"] == environment, "mode"])
        for place, mode in enumerate(mode for mode in modes if mode in there):
            yield environment, mode, colour, SHAPES[place % len(SHAPES)]


def _ends(measure: str) -> list[str]:
    """The columns of its interval; none for a measure without."""
    names = ends(measure)
    return list(names) if all(name in COLUMNS for name in names) else []


def _column(name: str, cells: pd.Series) -> dict[str, Any] | None:
    """Texts as places in a list of words, since most occur often; None for a column without any value."""
    column: dict[str, Any] = {"name": name, "about": COLUMNS.get(name, OTHERS.get(name, ""))}
    if name in OTHERS or name in TEXT_COLUMNS:
        codes, words = pd.factorize(cells)
        if not any(words):
            return None
        return {**column, "words": [str(word) for word in words], "codes": codes.tolist()}
    numbers = [_number(value, name in INTEGER_COLUMNS) for value in cells.tolist()]
    if name in axes.AXES and name in INTEGER_COLUMNS and not any(numbers):
        return None
    if all(number is None for number in numbers):
        return None
    return {**column, "values": numbers}


def _number(value: float, whole: bool) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if whole else float(f"{value:.{DIGITS}g}")
