"""Each part of a report fails alone, with a line that says what is missing and what writes it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from raw_runs import RawRun, cell_of
from rich.console import Console
from running import environment, one_quick, python_path
from synthetic import make_run

from harness.commands.cli import main
from harness.core.errors import HarnessError
from harness.report import figures, markdown, page
from harness.report.failures import Failure, complaints
from harness.report.figures import task
from harness.report.result import ReportPaths
from harness.report.write import prepare, write_report
from harness.sweep import outcome

FILES = ("points.csv", "report.html", "report.md", "crossover.csv")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    raw, cells = RawRun(tmp_path / "run"), [cell_of(), cell_of(batch=64)]
    raw.plan(*cells)
    raw.session("processes-1-try1", cells)
    return raw.directory


def assert_all_but(paths: ReportPaths, missing: str) -> None:
    folder = paths.csv.parent
    assert [failure.file for failure in paths.failed] == [missing]
    for name in FILES:
        assert (folder / name).is_file() == (name != missing), name
    assert all(figure.svg.is_file() and figure.png.is_file() for figure in paths.figures)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_way_of_one_file_costs_that_file(run: Path, capsys, name: str) -> None:
    (run / name).mkdir()
    assert main(["report", str(run)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"harness: error: {name}: Is a directory; to write the report anew: harness report {run}"
    assert all((run / other).is_file() for other in FILES if other != name)
    assert list((run / "figures").glob("*.svg"))


def test_a_figure_that_cannot_be_drawn_costs_itself(monkeypatch, tmp_path: Path) -> None:
    whole = write_report([make_run()], tmp_path / "whole")
    before, broken = task.save, whole.figures[0].svg.name

    def fails(picture: object, root: Path, name: str) -> object:
        if f"{name}.svg" == broken:
            raise OverflowError("no place for so many ticks")
        return before(picture, root, name)

    monkeypatch.setattr(task, "save", fails)
    paths = write_report([make_run()], tmp_path / "broken")
    assert_all_but(paths, f"figures/{broken}")
    assert len(paths.figures) == len(whole.figures) - 1
    for text in (paths.html.read_text(), paths.markdown.read_text()):
        assert "OverflowError: no place for so many ticks" in text


@pytest.mark.parametrize(("part", "name"), [(page, "report.html"), (markdown, "report.md")], ids=FILES[1:3])
def test_a_page_that_cannot_be_made_costs_itself(monkeypatch, tmp_path: Path, part, name: str) -> None:
    def fails(content: object) -> str:
        raise KeyError("what no template has")

    monkeypatch.setattr(part, "render", fails)
    paths = write_report([make_run()], tmp_path)
    assert_all_but(paths, name)
    assert "KeyError" in paths.failed[0].why


def test_without_any_figure_there_are_table_and_pages(monkeypatch, tmp_path: Path) -> None:
    def fails(*given: object, **named: object) -> object:
        raise ImportError("a damaged library")

    monkeypatch.setattr(figures, "draw", fails)
    paths = write_report([make_run()], tmp_path)
    assert_all_but(paths, "figures/")
    assert "The figures could not be drawn: ImportError: a damaged library." in paths.html.read_text()
    assert "no axis has two values" not in paths.html.read_text()


def test_figures_of_before_stay_where_a_page_that_shows_them_may_have_stayed(
    tmp_path: Path, monkeypatch
) -> None:
    before = write_report([make_run()], tmp_path)
    monkeypatch.setattr(figures, "draw", lambda *given, **named: figures.Drawn([], [], [Failure("x", "y")]))
    write_report([make_run()], tmp_path)
    assert all(figure.svg.is_file() for figure in before.figures)


class FullDisk:
    """Nothing but what is listed can be written."""

    def __init__(self, *written: str) -> None:
        self.written = written

    def __call__(self, root: Path, relative: str, content: object) -> None:
        if relative not in self.written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), relative)


def test_a_full_disk_after_a_sweep_is_one_line_and_the_status_says_so(monkeypatch, run: Path, capsys) -> None:
    assert outcome.report(run, Console(quiet=True)) == 0
    capsys.readouterr()
    monkeypatch.setattr("harness.core.files.beneath.replace", FullDisk())
    assert outcome.report(run, Console(quiet=True)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("harness: error: points.csv, crossover.csv, figures/")
    assert f"No space left on device; to write the report anew: harness report {run}" in line


def test_what_is_not_there_anew_is_not_named_as_if_it_were(run: Path, capsys) -> None:
    (run / "report.md").mkdir()
    assert main(["report", str(run)]) == 1
    out = capsys.readouterr().out
    assert "report.html" in out and "report.md" not in out


def test_a_line_a_reason_and_not_a_line_a_file() -> None:
    full = [Failure(f"{number}.svg", "No space left on device") for number in range(9)]
    lines = list(complaints([*full, Failure("report.md", "Is a directory")], "harness report x"))
    assert lines == [
        "0.svg, 1.svg, 2.svg, 3.svg and 5 others: No space left on device; to write the report anew: harness report x",
        "report.md: Is a directory; to write the report anew: harness report x",
    ]


def test_what_a_report_needs_is_missed_before_anything_is_measured(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "harness.report.page", None)
    monkeypatch.delattr("harness.report.page")
    with pytest.raises(HarnessError, match=r"the report could not be written afterwards: .*pip install"):
        prepare()


# What a user may have set for other plots, none of which a report obeys.
SETTINGS = {
    "the backend of a notebook's kernel": ({"MPLBACKEND": "module://matplotlib_inline.of_a_kernel"}, ""),
    "no such backend": ({"MPLBACKEND": "nope"}, ""),
    "a backend that needs a display": ({}, "backend: TkAgg"),
    "a matplotlibrc that is none": ({}, "backend: nope\naxes.titlesize: [huge\nno such line\n"),
    "a folder that cannot be made": ({"MPLCONFIGDIR": "/proc/none", "HOME": "/proc/none"}, ""),
}


@pytest.mark.parametrize("setting", one_quick(*SETTINGS))
def test_matplotlib_is_ours_whatever_is_set(tmp_path: Path, setting: str) -> None:
    variables, rc = SETTINGS[setting]
    (tmp_path / "matplotlibrc").write_text(rc)
    variables = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), **variables}
    code = (
        "import os; given = lambda: [os.environ.get(name) for name in ('MPLBACKEND', 'MATPLOTLIBRC')]; "
        "before = given(); from harness.report.write import prepare; prepare(); assert given() == before; "
        "import matplotlib; print(matplotlib.rcParams['backend'].lower())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), **variables, "PYTHONPATH": python_path()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "agg\n"), done.stderr
    assert "Traceback" not in done.stderr and "Bad" not in done.stderr
