"""The command line itself: quick to answer, and one line for what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from raw_runs import RawRun, cell_of
from running import python_path

from harness.commands.cli import main

HEAVY = ("torch", "hydra", "pandas", "numpy", "matplotlib", "rich", "scipy", "seaborn")


def run(*arguments: str, cwd: Path | None = None) -> tuple[int, str, str, set[str]]:
    """Status, output, errors and the heavy modules that were imported, of the command in a process of its own."""
    code = f"""
import json, sys
from harness.commands.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as exit:
    status = exit.code
print("@@" + json.dumps([status, [m for m in {HEAVY} if m in sys.modules]]), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": python_path()},
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    output, _, last = done.stdout.rpartition("@@")
    assert last, done.stderr
    status, imported = json.loads(last)
    return status, output, done.stderr, set(imported)


def test_help_is_answered_without_importing_anything_heavy() -> None:
    status, output, _, imported = run("--help")
    assert status == 0
    assert not imported
    for command in ("sweep", "report", "doctor"):
        assert command in output


@pytest.mark.parametrize("arguments", [["report", "--help"], ["doctor", "--help"]])
def test_the_help_of_a_command_is_too(arguments: list[str]) -> None:
    status, _, _, imported = run(*arguments)
    assert (status, imported) == (0, set())


@pytest.mark.parametrize("arguments", [["frobnicate"], [], ["report"], ["doctor", "--frobnicate"]])
def test_what_is_no_command_is_refused(arguments: list[str]) -> None:
    status, output, errors, imported = run(*arguments)
    assert (status, output, imported) == (2, "", set())
    assert "usage:" in errors


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refused command prints."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("harness: error: ")
    return line


class TestReport:
    def test_a_folder_that_is_no_run_is_refused_in_one_line(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert f"RUN={tmp_path}" in refused(capsys, "report", str(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_a_file_and_nothing_at_all_are_too(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("x")
        refused(capsys, "report", str(tmp_path / "file"))
        refused(capsys, "report", str(tmp_path / "nowhere"))

    def test_one_that_is_none_among_runs_is_refused_before_anything_is_written(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        raw = RawRun(tmp_path / "run")
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        refused(capsys, "report", str(raw.directory), str(tmp_path / "nowhere"))
        assert [path.name for path in raw.directory.iterdir()] == ["raw"]

    def test_a_run_with_something_unreadable_in_it_is_one_line_and_no_traceback(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        raw = RawRun(tmp_path / "run")
        (raw.directory / "raw" / "folder.jsonl").mkdir()
        status = main(["report", str(raw.directory)])
        errors = capsys.readouterr().err
        assert status in (0, 1, 2)
        assert "Traceback" not in errors

    def test_a_report_imports_neither_torch_nor_hydra(self, tmp_path: Path) -> None:
        raw = RawRun(tmp_path / "run")
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        status, output, errors, imported = run("report", str(raw.directory))
        assert status == 0, errors
        assert not imported & {"torch", "hydra"}
        assert "points.csv" in output
        assert (raw.directory / "points.csv").exists()
