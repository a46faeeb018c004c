"""The report on one or more runs, whole.

In: analysed runs. Out: points.csv, crossover.csv, figures, report.html, report.md, and text for the terminal. Must not
know torch, nor how anything was measured. Importing it is cheap: what draws is imported when it draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis.run import Run
from harness.core.errors import HarnessError
from harness.core.files.made import Made
from harness.report.csvfile import write_csv, write_table
from harness.report.destination import destination
from harness.report.failures import Failure, alone
from harness.report.plotting import load_matplotlib
from harness.report.result import FIGURES, OF_PREDICTION, Figure, ReportPaths
from harness.report.table.formats import one_line
from harness.report.table.tidy import combined, labels, tidy

if TYPE_CHECKING:
    from harness.crossover.values import Crossover
    from harness.report.content import Content
    from harness.report.findings.told import Told

CSV, CROSSOVER, HTML, MARKDOWN = "points.csv", "crossover.csv", "report.html", "report.md"


def prepare() -> None:
    """Import what a report needs, for who has hours to measure before it. Raises HarnessError where that is damaged."""
    try:
        load_matplotlib()
        from harness.report import content, figures, markdown, page  # noqa: F401
    except Exception as error:
        raise HarnessError(
            f"the report could not be written afterwards: {type(error).__name__}: {one_line(str(error), 200)}; "
            "pip install -r requirements.txt"
        ) from error


def write_report(runs: Sequence[Run], out: Path, *, all_figures: bool = False) -> ReportPaths:
    """Write the whole report into `out`: points.csv, crossover.csv, figures, pages that show them. Each fails alone.

    all_figures: draw every slice; else at most three of a kind and twelve in all (or one of each kind), and the page
        names the rest.
    Raises ConfigError where `out` holds somebody else's files of these names, OSError where nothing can be written
    there.
    """
    points = combined(runs)
    made = destination(runs, out, CSV, CROSSOVER, HTML, MARKDOWN, FIGURES)
    failed: list[Failure] = []
    with alone(CSV, failed):
        write_csv(points, made)
    table = tidy(points)
    predicted: dict[str, list[Crossover]] = {}
    maps: dict[str, Any] = {}
    with alone(CROSSOVER, failed):
        predicted, maps = _crossovers(runs, table, made)
    told: list[Told] | None = None
    asked: Mapping[str, Any] = {}
    with alone(f"{HTML}, {MARKDOWN}", failed):
        from harness.report import findings
        from harness.report.findings.foremost import answer

        told = findings.told(table)
        # Of what the answer is, the page has a picture too.
        asked = answer(told).row
    figures, omitted = _draw(runs, table, made, failed, all_figures, predicted, asked)
    if told is not None:
        with alone(f"{HTML}, {MARKDOWN}", failed):
            from harness.report.content import assembled

            _write_pages(assembled(runs, table, figures, omitted, told, maps), made, failed)
    said = None if told is None else [each.text for each in told]
    if not failed:
        with alone(FIGURES, failed):
            _remove_stale(made, figures)
    return ReportPaths(out / CSV, out / HTML, out / MARKDOWN, figures, failed, said)


def _crossovers(
    runs: Sequence[Run], table: pd.DataFrame, made: Made
) -> tuple[dict[str, list[Crossover]], dict[str, Any]]:
    """Write crossover.csv; answers what is predicted of other devices at the threshold of the figures, by label of the
    run, and the maps of a page."""
    from harness.crossover.data import crossover_data, crossovers, rows
    from harness.crossover.predicted import of_run, predicted_crossovers, profiles
    from harness.crossover.values import DEFAULT_THRESHOLD, THRESHOLDS

    devices, foretold = profiles(), []
    drawn: dict[str, list[Crossover]] = {}
    for label, run in zip(labels(runs), runs, strict=True):
        label = label if len(runs) > 1 else ""
        of = of_run(predicted_crossovers(run, devices, THRESHOLDS), label)
        drawn[label] = [each for each in of if each.threshold == DEFAULT_THRESHOLD]
        foretold += of
    found = [*crossovers(table, THRESHOLDS), *foretold]
    write_table(rows(found), made, CROSSOVER)
    return drawn, crossover_data(found)


def _draw(
    runs: Sequence[Run],
    table: pd.DataFrame,
    made: Made,
    failed: list[Failure],
    all_figures: bool,
    predicted: Mapping[str, Sequence[Crossover]],
    asked: Mapping[str, Any],
) -> tuple[list[Figure], list[str]]:
    """The figures, and sentences on those that there are not."""
    drawn = None
    with alone(FIGURES, failed):
        load_matplotlib()
        from harness.report import figures
        from harness.report.summary import devices_present, is_strong

        named = [(label if len(runs) > 1 else "", run) for run, label in zip(runs, labels(runs), strict=True)]
        drawn = figures.draw(
            *(table, made),
            all_figures=all_figures,
            strong=[label for label, run in named if is_strong(run)],
            installed={label: count for label, run in named if (count := devices_present(run))},
            timelines={label: run.timeline for label, run in named},
            predicted=predicted,
            asked=asked,
        )
    if drawn is None:
        return [], [f"The figures could not be drawn: {failed[-1].why}."]
    failed += drawn.failed
    return drawn.figures, drawn.omitted


def _write_pages(content: Content, made: Made, failed: list[Failure]) -> None:
    with alone(HTML, failed):
        from harness.report import page

        made.write_text(HTML, page.render(content))
    with alone(MARKDOWN, failed):
        from harness.report import markdown

        made.write_text(MARKDOWN, markdown.render(content))


def _remove_stale(made: Made, figures: Sequence[Figure]) -> None:
    """Figures of an earlier report that this one does not have; last, so that no page misses its figures."""
    kept = {f"{FIGURES}{path.name}" for figure in figures for path in (figure.svg, figure.png)}
    of_predict = tuple(f"{FIGURES}{name}" for name in OF_PREDICTION)
    made.remove(name for name in made.below(FIGURES) - kept if not name.startswith(of_predict))
