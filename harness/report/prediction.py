"""A prediction on paper and on the terminal.

In: a table of predictions (columns of harness.costs.forecast) with the Fit they come from. Out: figures, text. Must not
know how costs are fitted, nor the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.analysis.run import Run
from harness.core.files.made import Made
from harness.costs.step import Fit, ModeCost
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import mode_styles, theme
from harness.report.figures.kind import Context
from harness.report.figures.kinds import predicted
from harness.report.figures.save import files_of, save
from harness.report.table.formats import listed, one_line, percent, significant
from harness.report.table.slices import split
from harness.report.table.tidy import tidy

# Rows of the table on a terminal; predicted.csv has all.
MOST_LINES = 24
HEADERS = {
    "mode": "mode",
    "controller": "controller",
    "workload": "workload",
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


def draw_all(table: pd.DataFrame, fitted: Fit, run: Run, target: str, made: Made) -> list[Path]:
    """predicted-*.svg and .png; answers the SVGs."""
    written = []
    with matplotlib.rc_context(theme()):
        for name, picture in _figures(table, fitted, run, target):
            made.claim(*files_of(name))
            written.append(save(picture, made.folder, name)[0])
    return written


def _figures(
    table: pd.DataFrame, fitted: Fit, run: Run, target: str
) -> Iterator[tuple[str, matplotlib.figure.Figure]]:
    styles = mode_styles({*table["mode"], *run.points["mode"]})
    error = predicted.error_words(fitted.error)
    context = Context(styles, "batch")
    for number, part in enumerate(split(tidy(run.points), predicted.KIND.without)):
        if predicted.drawable(part.rows):
            head = Headline("Predicted against measured", str(part.values["device_name"]), part.emulated)
            name = "predicted-against-measured" + (f"-{number}" if number else "")
            yield name, predicted.draw(part, head, context)[0]
    table = table.assign(marked=table["extrapolated"] != "")
    for (workload, dtype), rows in table.groupby(["workload", "dtype"], sort=False):
        for width in sorted({rows["width"].min(), rows["width"].max()}):
            own = rows[rows["width"] == width]
            about = f"{target}, width {width}, {workload}"
            beneath = f"Predicted, not measured, {dtype}; model {error}"
            stem = f"{workload}-{dtype}-{width}"
            deepest = own[own["depth"] == own["depth"].max()]
            head = Headline(f"Predicted utilisation: {about}, depth {own['depth'].max()}", beneath)
            yield f"predicted-utilisation-{stem}", predicted.draw_utilisation(deepest, head, styles, error)[0]
            if own["bound_until_batch"].notna().any():
                head = Headline(f"Predicted end of dispatch-bound: {about}", beneath)
                yield f"predicted-bound-{stem}", predicted.draw_bound(own, head, styles, error)[0]


def show(
    console: Console,
    table: pd.DataFrame,
    fitted: Fit,
    target: str,
    notes: Sequence[str],
    paths: Sequence[Path],
) -> None:
    """The error first, then the coefficients, then the cells."""
    console.print(Text(f"Predicted for {one_line(target)}, not measured.", style="bold"))
    _say(console, f"The model is {predicted.error_words(fitted.error)}.")
    for cost in fitted.costs:
        _say(console, "  " + _cost_line(cost))
    chosen = _chosen(table)
    varying = [name for name in HEADERS if name in ALWAYS or table[name].nunique() > 1]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in varying:
        cells = [_cell(name, value) for value in chosen[name]]
        text = name in ("mode", "controller", "workload", "extrapolated")
        # Wider than the console if need be: a number that is cut cannot be read.
        widest = max(map(len, [HEADERS[name], *cells]))
        grid.add_column(
            Text(HEADERS[name]), justify="left" if text else "right", no_wrap=True, min_width=widest
        )
    for _, row in chosen.iterrows():
        grid.add_row(*(Text(_cell(name, row[name])) for name in varying))
    needed = Measurement.get(console, console.options.update(width=10_000, max_width=10_000), grid).maximum
    console.print(grid, width=needed, crop=False, soft_wrap=False)
    _say(console, "utilised: device time / step time. feeds: devices one thread can keep busy.")
    _say(console, "free from: samples per device from which on the mode is not dispatch-bound.")
    if len(chosen) < len(table):
        _say(console, f"Shown: {len(chosen)} of {len(table)} rows; predicted.csv has all.")
    for note in [*_extrapolated(table), *notes]:
        console.print(Text(one_line(note), style="yellow"))
    for path in paths:
        console.print(Text(str(path)), soft_wrap=True)


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
    return f"{cost.mode} ({cost.workload}, {cost.dtype}; error {error}): {'; '.join(terms)}"


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
