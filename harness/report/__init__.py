"""The report on one or more runs.

In: analysed runs. Out: points.csv, figures, report.html, report.md, and text for the terminal. Must not know
torch, nor how anything was measured. Importing it is cheap: what draws is imported when it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.analysis import Run
from harness.report import files
from harness.report.csvfile import write_csv
from harness.report.findings import findings
from harness.report.result import Figure, ReportPaths
from harness.report.terminal import print_summary, terminal_table
from harness.report.tidy import combined, labels, tidy

__all__ = [
    "Figure",
    "ReportPaths",
    "findings",
    "print_summary",
    "terminal_table",
    "write_csv",
    "write_report",
]


def write_report(runs: Sequence[Run], out: Path, *, all_figures: bool = False) -> ReportPaths:
    """Write the whole report into `out`.

    all_figures: draw every slice; else at most three of a kind and ten in all (or one of each kind), and the page
        names the rest.
    Raises OSError where `out` cannot be written; the CSV comes first, so that it is there whatever follows.
    """
    from harness.report import figures, markdown, page
    from harness.report.content import assembled
    from harness.report.summary import devices_present, is_strong

    points = combined(runs)
    paths = {name: out / name for name in ("points.csv", "report.html", "report.md")}
    write_csv(points, paths["points.csv"])
    table = tidy(points)
    several = len(runs) > 1
    named = [(label if several else "", run) for run, label in zip(runs, labels(runs), strict=True)]
    drawn = figures.draw(
        *(table, out / "figures"),
        all_figures=all_figures,
        strong=[label for label, run in named if is_strong(run)],
        installed={label: count for label, run in named if (count := devices_present(run))},
        timelines={label: run.timeline for label, run in named},
    )
    content = assembled(runs, table, points, drawn.figures, drawn.omitted)
    files.write_text(paths["report.html"], page.render(content))
    files.write_text(paths["report.md"], markdown.render(content))
    _remove_stale(out / "figures", drawn.figures)
    return ReportPaths(paths["points.csv"], paths["report.html"], paths["report.md"], drawn.figures)


# How the files begin that `harness predict` draws beside a report's.
OF_PREDICT = ("predicted-utilisation-", "predicted-bound-", "predicted-against-measured")


def _remove_stale(folder: Path, figures: Sequence[Figure]) -> None:
    """Figures of an earlier report that this one does not have; last, so that no page misses its figures."""
    if not folder.is_dir():
        return
    kept = {path.name for figure in figures for path in (figure.svg, figure.png)}
    for path in folder.iterdir():
        ours = path.suffix in (".svg", ".png") and not path.name.startswith(OF_PREDICT)
        if ours and path.name not in kept and not path.is_dir():
            path.unlink()
