"""trace.html: one file that needs nothing else.

In: ranks, sentences, drawn figures and rows of the tables. Out: HTML. Must not know how figures are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.report.page import templates
from harness.report.result import Figure
from harness.report.shown.image import inline
from harness.report.table.formats import count, one_line, percent, ratio, significant
from harness.trace.answers.rows import COLUMNS as TRACE_COLUMNS
from harness.trace.answers.rows import GAP_COLUMNS, gap_rows
from harness.trace.bounds import CHANGES, RULES
from harness.trace.looked import Rank

# So many gaps of each device are on the page, and all in gaps.csv; so many rows of trace.csv.
LONGEST_GAPS, MOST_ROWS = 10, 200
COSTLIEST = 10
_CHANGE_WORDS = {
    "graphs": "CUDA graphs",
    "compile": "a compiler",
    "process_per_device": "a process for each device",
    "host_twice_as_fast": "a host twice as fast",
    "device_only": "nothing but the device",
}
Table = tuple[list[str], list[list[str]]]


def render(
    ranks: Sequence[Rank],
    findings: Sequence[str],
    figures: Sequence[Figure],
    whole: Sequence[dict[str, Any]],
    of_change: Sequence[dict[str, Any]],
    perfetto: Sequence[str],
) -> str:
    """whole, of_change: rows of trace.csv and of bounds.csv. perfetto: names of the files beside it."""
    gaps = [row for rank in ranks for row in gap_rows(rank, LONGEST_GAPS)]
    return (
        templates()
        .get_template("trace.html.j2")
        .render(
            title=f"What the devices waited for: {count(len(ranks), 'trace')}",
            files=[_file(rank) for rank in ranks],
            findings=findings,
            figures=figures,
            images=[inline(figure.svg.read_bytes()) for figure in figures],
            bounds=_bounds(of_change),
            costly=[
                (what, _costly(ranks, what))
                for what in ("operators", "Python functions")
                if _costly(ranks, what)[1]
            ],
            gaps=_table(GAP_COLUMNS, gaps),
            rows=_table(TRACE_COLUMNS, whole[:MOST_ROWS]),
            left_out=max(0, len(whole) - MOST_ROWS),
            rules=[(_CHANGE_WORDS[change], RULES[change]) for change in CHANGES],
            perfetto=perfetto,
        )
    )


def _file(rank: Rank) -> str:
    trace = rank.trace
    said = f"{trace.path.name}: {rank.label}, {count(len(trace.work), 'piece')} of device work"
    return one_line(said + (f"; not whole ({trace.cut})" if trace.cut else ""), 300)


def _bounds(of_change: Sequence[dict[str, Any]]) -> Table:
    headers = [
        "rank",
        "device",
        "what is changed",
        "measured (ms)",
        "predicted (ms)",
        "times as fast",
        "then idle",
    ]
    rows = [
        [
            *(_text(row["rank"]), _text(row["device"]), _CHANGE_WORDS[row["change"]]),
            *(significant(_of_step(row, name) / 1000, 4) for name in ("span_us", "predicted_us")),
            *(f"{ratio(row['times_as_fast'])}x", percent(row["idle_share_left"])),
        ]
        for row in of_change
    ]
    return headers, rows


def _of_step(row: dict[str, Any], name: str) -> float:
    """A step's where steps are marked."""
    of_step = row["step_us" if name == "span_us" else "predicted_step_us"]
    return float(row[name] if of_step is None else of_step)


def _costly(ranks: Sequence[Rank], what: str) -> Table:
    headers = ["rank", what, "idle time (ms)", "gaps"]
    rows = []
    for rank in ranks:
        names = rank.operators if what == "operators" else rank.python
        for name, ns, gaps in rank.costly(names, COSTLIEST):
            rows.append([_text(rank.trace.rank), one_line(name, 200), significant(ns / 1e6), f"{gaps:,}"])
    return headers, rows


def _table(columns: Sequence[str], table: Sequence[dict[str, Any]]) -> Table:
    """Without the columns that are empty in all rows."""
    texts = {name: [one_line(_text(row.get(name)), 120) for row in table] for name in columns}
    kept = [name for name in columns if any(texts[name])]
    return kept, [list(row) for row in zip(*(texts[name] for name in kept), strict=True)]


def _text(value: object) -> str:
    if isinstance(value, float):
        return significant(value, 4)
    return "" if value is None else str(value)
