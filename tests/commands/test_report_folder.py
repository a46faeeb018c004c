"""Where a report of several runs goes: a folder of its own, whoever asks for another in the same second."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from raw_runs import RawRun, cell_of

from harness.commands.report import _beside, report


def test_reports_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as at_once:
        made = list(at_once.map(lambda _: _beside(tmp_path / "run"), range(12)))
    assert len(set(made)) == 12
    assert all(folder.parent == tmp_path and folder.name.startswith("report-") for folder in made)


def test_a_report_of_two_runs_lies_beside_the_first(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        raw, cell = RawRun(tmp_path / name), cell_of()
        raw.plan(cell)
        raw.session("processes-1-try1", [cell])
        runs.append(raw.directory)
    assert report(runs, None, all_figures=False) == 0
    (folder,) = tmp_path.glob("report-*")
    assert (folder / "points.csv").is_file() and (folder / "report.html").is_file()
