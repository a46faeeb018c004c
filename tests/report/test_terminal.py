"""On a terminal the report fits 80 columns; elsewhere it is plain, and numbers are never cut."""

from __future__ import annotations

import io
import re
from pathlib import Path

from ladders import controller_points
from rich.console import Console
from synthetic import failed, make_points, make_run

from harness.analysis.run import Run
from harness.report.result import ReportPaths
from harness.report.table.tidy import MODE_ORDER, tidy
from harness.report.terminal import print_summary, terminal_table

PATHS = ReportPaths(Path("out/points.csv"), Path("out/report.html"), Path("out/report.md"), [])


def printed(*runs: Run, width: int = 80) -> str:
    out = io.StringIO()
    print_summary(Console(file=out, width=width), runs, PATHS)
    return out.getvalue()


def test_the_table_fits_80_columns() -> None:
    text = printed(make_run())
    table = text.split("Findings")[0]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "…" not in text


def test_findings_counts_and_paths_are_printed() -> None:
    text = printed(make_run(notes=("a torn line was dropped",)))
    assert "Is Python the bottleneck here?" in text
    assert "a torn line was dropped" in text
    assert "Points: 27 ok" in text
    assert "out/report.html" in text


def test_numbers_are_whole_even_on_a_narrow_console() -> None:
    text = printed(make_run(make_points(change=lambda row: {"step_us": 123456.0})), width=30)
    assert text.count("123456") >= 27


def test_of_many_points_sixty_are_shown_and_the_rest_is_named() -> None:
    text = printed(make_run(make_points(widths=(64, 128, 256, 512))))
    rows = [
        line for line in text.splitlines() if " eager " in line or " script " in line or " trace " in line
    ]
    assert len([row for row in rows if not row.startswith("-") and "x eager" not in row]) == 60
    assert "60 of 108 rows" in " ".join(text.split())


def test_markup_and_escape_sequences_of_others_are_not_obeyed() -> None:
    points = make_points(device_name="[red]x[/red]", change=lambda row: failed(error="\x1b[31mbad"))
    text = printed(make_run(points))
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_a_status_stands_where_there_is_no_time() -> None:
    points = make_points(change=lambda row: failed("oom") if row["batch"] == 64 else None)
    assert "oom" in printed(make_run(points)).split("Findings")[0]


def test_an_empty_table_prints() -> None:
    assert terminal_table(tidy(make_points()[:0])).row_count == 0
    assert "Points: none" in printed(make_run(make_points()[:0]))


def test_a_single_cell_prints_seconds_for_a_thousand_calls() -> None:
    text = printed(make_run(make_points(depths=(4,), batches=(8,)), name="hybridize"))
    assert "seconds for 1,000 calls" in text


def test_an_emulated_table_says_so() -> None:
    assert "EMULATED - modelled, not measured" in printed(make_run(make_points(device_kind="emulated")))


def test_a_long_table_shows_both_ends_of_the_device_counts_with_eager() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(terminal_table(tidy(controller_points(modes=MODE_ORDER))))
    text = captured.get()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert len(re.findall(r"  eager +\d", text)) == 6
    assert "60 of 120 rows, those on the fewest and on the most devices" in " ".join(text.split())
    assert " efficiency " in text
