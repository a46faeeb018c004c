"""The report on profiler traces of other jobs.

In: ranks that were looked at. Out: trace.csv, gaps.csv, bounds.csv, figures, trace.html, a trace for Perfetto a rank.
Must not know torch, nor any run directory. Importing it is cheap: what draws is imported when it draws.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.core.files.made import Made
from harness.report.failures import Failure, alone
from harness.report.plotting import load_matplotlib
from harness.report.result import FIGURES, Figure
from harness.report.traces.table import csv_file
from harness.trace import bounds
from harness.trace.answers import rows
from harness.trace.answers.answer import Answer
from harness.trace.answers.perfetto import trace_text
from harness.trace.looked import Rank

TABLE, GAPS, BOUNDS, PAGE = "trace.csv", "gaps.csv", "bounds.csv", "trace.html"


@dataclass
class TraceReport:
    """What was written. failed: what could not be."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)


def write_trace_report(
    answers: Sequence[Answer],
    findings: Sequence[str],
    out: Path,
    told: Callable[[str], None],
    *,
    tables_only: bool = False,
) -> TraceReport:
    """Write all of it into `out`, or the tables alone. Each file fails alone.

    told: called with the name of each part before it is made. Raises ConfigError where `out` holds somebody else's
    files of these names, OSError where nothing can be written there.
    """
    made, report = Made(out), TraceReport(out)
    ranks = [answer.rank for answer in answers]
    perfetto = _perfetto_names(ranks)
    made.claim(TABLE, GAPS, BOUNDS, PAGE, FIGURES, *perfetto)
    whole = [row for answer in answers for row in answer.rows]
    of_change = [row for answer in answers for row in bounds.rows(answer.rank, answer.bounds)]
    gaps = (row for rank in ranks for row in rows.gap_rows(rank))
    for name, columns, table in (
        *((TABLE, rows.COLUMNS, whole), (BOUNDS, bounds.COLUMNS, of_change)),
        (GAPS, rows.GAP_COLUMNS, gaps),
    ):
        told(name)
        with alone(name, report.failed), csv_file(columns, table) as content:
            report.files.append(made.write(name, content))
    if tables_only:
        return report
    told("figures")
    with alone(FIGURES, report.failed):
        _draw(ranks, made, report)
    told(PAGE)
    with alone(PAGE, report.failed):
        from harness.report.traces.page import render

        text = render(ranks, list(findings), report.figures, whole, of_change, list(perfetto))
        report.files.append(made.write_text(PAGE, text))
    for name, rank in perfetto.items():
        told(name)
        with alone(name, report.failed):
            report.files.append(made.write(name, _packed(trace_text(rank))))
    if not report.failed:
        kept = {f"{FIGURES}{path.name}" for figure in report.figures for path in (figure.svg, figure.png)}
        made.remove(made.below(FIGURES) - kept)
    return report


def _draw(ranks: Sequence[Rank], made: Made, report: TraceReport) -> None:
    load_matplotlib()
    from harness.report.figures.save import files_of
    from harness.report.figures.task import Task, carried_out
    from harness.report.traces.figures import figures_of

    for kind, name, headline, draw in figures_of(ranks):
        made.claim(*files_of(name))
        drawn = carried_out(Task(kind, headline, partial(draw), made.folder, name))
        if isinstance(drawn, Failure):
            report.failed.append(drawn)
        else:
            report.figures.append(drawn)


def _perfetto_names(ranks: Sequence[Rank]) -> dict[str, Rank]:
    """A file a rank that has work of a device."""
    found: dict[str, Rank] = {}
    for place, rank in enumerate(ranks):
        label = f"file-{place}" if rank.trace.rank is None else f"rank-{rank.trace.rank}"
        if rank.whole:
            found[f"idle-{label}.json.gz"] = rank
    return found


def _packed(pieces: Iterable[str]) -> Any:
    """gzip without a date: the same trace gives the same file."""
    packer = zlib.compressobj(6, wbits=31)
    parts = [packer.compress("".join(batch).encode()) for batch in _batches(pieces)]
    return b"".join([*parts, packer.flush()])


def _batches(pieces: Iterable[str], size: int = 10_000) -> Iterator[list[str]]:
    batch: list[str] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
