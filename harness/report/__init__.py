"""The report on one or more runs.

In: analysed runs. Out: points.csv, figures, report.html, report.md, and text for the terminal. Must not know
torch, nor how anything was measured. Importing it is cheap: what draws is imported when it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.analysis.run import Run
from harness.core.files.made import Made
from harness.report.csvfile import write_csv
from harness.report.destination import destination
from harness.report.findings import findings
from harness.report.result import FIGURES, OF_PREDICTION, Figure, ReportPaths
from harness.report.table.tidy import combined, labels, tidy
from harness.report.terminal import print_summary, terminal_table

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
    Raises ConfigError where `out` holds somebody else's files of these names, OSError where it cannot be written; the
    CSV comes first, so that it is there whatever follows.
    """
    from harness.report.plotting import load_matplotlib

    load_matplotlib()
    from harness.report import figures, markdown, page
    from harness.report.content import assembled
    from harness.report.summary import devices_present, is_strong

    points = combined(runs)
    made = destination(runs, out, "points.csv", "report.html", "report.md", FIGURES)
    csv = write_csv(points, made)
    table = tidy(points)
    several = len(runs) > 1
    named = [(label if several else "", run) for run, label in zip(runs, labels(runs), strict=True)]
    drawn = figures.draw(
        *(table, made),
        all_figures=all_figures,
        strong=[label for label, run in named if is_strong(run)],
        installed={label: count for label, run in named if (count := devices_present(run))},
        timelines={label: run.timeline for label, run in named},
    )
    content = assembled(runs, table, points, drawn.figures, drawn.omitted)
    html = made.write_text("report.html", page.render(content))
    text = made.write_text("report.md", markdown.render(content))
    _remove_stale(made, drawn.figures)
    return ReportPaths(csv, html, text, drawn.figures)


def _remove_stale(made: Made, figures: Sequence[Figure]) -> None:
    """Figures of an earlier report that this one does not have; last, so that no page misses its figures."""
    kept = {f"{FIGURES}{path.name}" for figure in figures for path in (figure.svg, figure.png)}
    of_predict = tuple(f"{FIGURES}{name}" for name in OF_PREDICTION)
    made.remove(name for name in made.below(FIGURES) - kept if not name.startswith(of_predict))
