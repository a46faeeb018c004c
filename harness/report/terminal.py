"""The report on a terminal.

In: a table of points, runs, paths of the report. Out: text on a rich console. Must not know figures or pages.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.analysis.run import Run
from harness.report import summary
from harness.report.findings import sentences
from harness.report.result import ReportPaths
from harness.report.table.formats import one_line
from harness.report.table.keytable import key_table
from harness.report.table.tidy import combined, tidy

# Columns that go first where 80 characters do not hold all; what they held is in points.csv.
DISPENSABLE = ("low - high ", "low - high", "efficiency", "dispatch", "warnings", "kind")
# Where controllers differ, they do so in how they scale.
OF_CONTROLLERS = ("low - high ", "low - high", "dispatch", "warnings", "efficiency", "kind")
TARGET_WIDTH = 80


def _text(value: str, style: str = "") -> Text:
    """Text of others: no markup and no escape sequence of theirs is obeyed."""
    return Text(one_line(value), style=style)


def terminal_table(tidied: pd.DataFrame) -> Table:
    """A table that fits 80 columns where the axes allow it; numbers are never cut.

    tidied: points, by harness.report.table.tidy.
    """
    keys = key_table(tidied)
    columns = list(range(len(keys.headers)))
    widths = [max([len(keys.headers[i]), *(len(row[i]) for row in keys.rows)]) for i in columns]
    dropped = []
    # An emulated table keeps its mark in the title and in `kind`; the latter goes last.
    for name in OF_CONTROLLERS if "controller" in keys.headers else DISPENSABLE:
        if sum(widths[i] + 2 for i in columns) + 1 <= TARGET_WIDTH:
            break
        # From the right: the interval of the speed-up before that of the time.
        found = [i for i in columns if keys.headers[i] == name.strip()]
        if found:
            columns.remove(found[-1])
            dropped.append(name.strip())
    notes = [keys.constant, keys.omitted]
    if dropped:
        notes.append(f"Not shown for want of width: {', '.join(dict.fromkeys(dropped))}; see points.csv.")
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption=Text("\n".join(note for note in notes if note)),
        caption_justify="left",
        caption_style="",
    )
    for i in columns:
        table.add_column(
            Text(keys.headers[i]),
            justify="right" if keys.numeric[i] else "left",
            no_wrap=True,
            min_width=widths[i],
        )
    for row in keys.rows:
        table.add_row(*(_text(row[i]) for i in columns))
    return table


def _calls_table(rows: Sequence[dict[str, str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(Text(name), no_wrap=True)
    for row in rows:
        table.add_row(*(_text(cell) for cell in row.values()))
    return table


def _print_whole(console: Console, table: Table) -> None:
    """Wider than the console if need be: a line that wraps can be read, a number that is cut cannot."""
    # The caption wraps within the table, so that it must not decide on the width.
    wanted = Measurement.get(console, console.options.update(width=10_000, max_width=10_000), table).maximum
    width = max(wanted, min(console.width, TARGET_WIDTH if not console.is_terminal else console.width))
    console.print(table, width=width, crop=False, soft_wrap=False)


def print_summary(console: Console, runs: Sequence[Run], paths: ReportPaths) -> None:
    """Table, findings, notes, warnings and the paths of the files."""
    table = tidy(combined(runs))
    for text in summary.alarms(runs):
        console.print(_text(text, "bold red"), soft_wrap=not console.is_terminal)
    _print_whole(console, terminal_table(table))
    calls = summary.thousand_calls(runs)
    if calls:
        _print_whole(console, _calls_table(calls))
    said = sentences(table) if paths.findings is None else paths.findings
    for title, texts in (("Findings", said), ("Notes", summary.notes(runs))):
        if texts:
            console.print(Text(title, style="bold"))
        for text in texts:
            console.print(_text(f"- {text}"), soft_wrap=not console.is_terminal)
    for warning in summary.warned(table):
        text = f"{warning.name} ({warning.points} of {len(table)} points): {warning.advice}"
        console.print(_text(text, "yellow"), soft_wrap=not console.is_terminal)
    counts = ", ".join(f"{number} {status}" for status, number in summary.statuses(table))
    console.print(_text(f"Points: {counts or 'none'}"))
    failed = {failure.file for failure in paths.failed}
    for path in (paths.html, paths.markdown, paths.csv):
        if path.name not in failed:
            console.print(Text(str(path)), soft_wrap=True)
