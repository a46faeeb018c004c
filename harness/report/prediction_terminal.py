"""A prediction on a terminal.

In: a Prediction, the paths of its files. Out: text on a rich console. Must not know figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.costs.prediction import Prediction
from harness.costs.step import ModeCost, of_cost
from harness.crossover.predicted import predicted_crossovers
from harness.report.table.accuracy import error_words
from harness.report.table.formats import listed, one_line, percent, significant

# Rows of the table on a terminal; predicted.csv has all.
MOST_LINES = 24
HEADERS = {
    "mode": "mode",
    "controller": "controller",
    "workload": "workload",
    "autograd": "autograd",
    "depth": "depth",
    "width": "width",
    "batch": "batch",
    "devices": "devices",
    "step_us": "step us",
    "utilisation": "utilised",
    "feedable_devices": "feeds",
    "bound_until_batch": "free from",
    "extrapolated": "extrapolated",
}
ALWAYS = (
    "mode",
    "controller",
    "batch",
    "devices",
    "step_us",
    "utilisation",
    "feedable_devices",
    "bound_until_batch",
)


def print_prediction(console: Console, prediction: Prediction, paths: Sequence[Path]) -> None:
    """The error first, then the coefficients, then the cells, and the paths of the files."""
    table = prediction.table
    console.print(Text(f"Predicted for {one_line(prediction.target.name)}, not measured.", style="bold"))
    _say(console, f"The model is {error_words(prediction.fit.error)}.")
    for cost in prediction.fit.costs:
        _say(console, "  " + _cost_line(cost))
    chosen = _chosen(table)
    grid = _grid(table, chosen)
    needed = Measurement.get(console, console.options.update(width=10_000, max_width=10_000), grid).maximum
    console.print(grid, width=needed, crop=False, soft_wrap=False)
    _say(console, "utilised: device time / step time. feeds: devices one thread can keep busy.")
    _say(console, "free from: samples per device from which on the mode is not dispatch-bound.")
    if len(chosen) < len(table):
        _say(console, f"Shown: {len(chosen)} of {len(table)} rows; predicted.csv has all.")
    for text in _crossovers(prediction):
        _say(console, text)
    for note in [*_extrapolated(table), *prediction.notes]:
        console.print(Text(one_line(note), style="yellow"))
    for path in paths:
        console.print(Text(str(path)), soft_wrap=True)


def _crossovers(prediction: Prediction) -> list[str]:
    """Where the interpreter would stop mattering on the device of a profile, a sentence a workload and width."""
    if prediction.target.profile is None:
        return []
    found = predicted_crossovers(prediction.run, [prediction.target.profile])
    return [f"{each.of['workload']}, width {each.of['width']}: {each.said}" for each in found]


def _grid(table: pd.DataFrame, chosen: pd.DataFrame) -> Table:
    """chosen: the rows that are shown; a column for each axis that differs in the table."""
    varying = [name for name in HEADERS if name in ALWAYS or table[name].nunique() > 1]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in varying:
        cells = [_cell(name, value) for value in chosen[name]]
        text = name in ("mode", "controller", "workload", "autograd", "extrapolated")
        # Wider than the console if need be: a number that is cut cannot be read.
        widest = max(map(len, [HEADERS[name], *cells]))
        grid.add_column(
            Text(HEADERS[name]), justify="left" if text else "right", no_wrap=True, min_width=widest
        )
    for _, row in chosen.iterrows():
        grid.add_row(*(Text(_cell(name, row[name])) for name in varying))
    return grid


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=not console.is_terminal)


def _cost_line(cost: ModeCost) -> str:
    terms = [f"issue {significant(cost.issue.fixed_us)} us + {significant(cost.issue.layer_us)} us a layer"]
    work = cost.work.terms()
    terms += ["work: " + ", ".join(work)] if work else []
    terms += [
        f"{count} devices by {name}: issue x {significant(by.issue)}, work x {significant(by.work)}"
        for (name, count), by in sorted(cost.contention.factors.items())
    ]
    error = f"median {percent(cost.error.median)}, 90th percentile {percent(cost.error.p90)}"
    of = ", ".join(of_cost(cost.workload, cost.dtype, cost.autograd))
    return f"{cost.mode} ({of}; error {error}): {'; '.join(terms)}"


def _chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Both ends of every axis, the deepest models first dropped to, until it fits a terminal."""
    rows = table
    for name in ("width", "depth", "batch", "devices"):
        if len(rows) > MOST_LINES:
            ends = [rows[name].min(), rows[name].max()] if name == "devices" else [rows[name].max()]
            ends = [rows[name].min()] if name == "batch" else ends
            rows = rows[rows[name].isin(ends)]
    return rows.head(2 * MOST_LINES)


def _cell(name: str, value: object) -> str:
    if isinstance(value, str):
        return one_line(value)
    number = float(str(value)) if value is not None and not pd.isna(value) else float("nan")  # type: ignore[call-overload]
    if number != number:
        return "never"
    if name == "utilisation":
        return percent(number)
    return significant(number) if name in ("step_us", "feedable_devices") else f"{number:.0f}"


def _extrapolated(table: pd.DataFrame) -> list[str]:
    marked = table[table["extrapolated"] != ""]
    if marked.empty:
        return []
    axes = sorted({axis for text in marked["extrapolated"] for axis in text.split()})
    return [
        f"{len(marked)} of {len(table)} rows are extrapolated: {listed(axes)} outside of what was fitted; "
        "the error above does not cover them."
    ]
