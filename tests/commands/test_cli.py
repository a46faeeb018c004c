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
    (line,) = errors.splitlines()
    assert line.startswith("harness: error: ") and "--help" in line


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


LONG = "a" * 300
MANY = ",".join(map(str, range(1, 201)))
EXPORTED = ["export", "depth=2", "width=2", "--mode", "script", "--out"]
REFUSED = [
    # what is written, what the line must name
    (["sweeep", "depth=[4]"], ["sweeep", "the nearest: sweep"]),
    (["report"], ["RUN", "harness report --help"]),
    (["report", LONG], ["RUN=aaa", "file name too long"]),
    (["report", "nothing", "--al-figures"], ["--al-figures"]),
    (["merge", "shard"], ["--out"]),
    (["merge", LONG, "--out", "x"], ["SHARD=aaa", "file name too long"]),
    (["predict", "nothing", "--devcies", "1"], ["--devcies", "the nearest: --devices"]),
    (["predict", LONG], ["RUN=aaa", "file name too long"]),
    *[(["predict", "nothing", "--devices", value], ["--devices=" + value]) for value in ("1e9", "0", "9" * 30, "")],
    (["predict", "nothing", "--depth", "1000000"], ["--depth=1000000", "1 to 100_000"]),
    (["predict", "nothing", "--batch", "9" * 19], ["--batch=9", "1 to 2_147_483_647"]),
    (["predict", "nothing", "--per-node", "x"], ["--per-node", "int"]),
    (["predict", "nothing", "--per-node", "9" * 30], ["--per-node=9", "no node has more"]),
    *[
        (["predict", "nothing", f"--network-gb-s={value}"], ["--network-gb-s", "above 0"])
        for value in ("nan", "inf", "-1", "1e300")
    ],
    ([*["predict", "nothing", "--depth", "5", "--devices"], MANY, "--batch", MANY], ["--devices=1,2", "40_000"]),
    (["predict", "nothing", "--controller", "thread"], ["--controller=thread", "the nearest: threads"]),
    (["predict", "nothing", "--profile", "h100"], ["--profile=h100", "the nearest: h100x8"]),
    (["predict", "nothing", "--profile", LONG], ["--profile=aaa", "name too long"]),
    (["export"], ["--mode, --out"]),
    (["export", "--mode", "scirpt", "--out", "x"], ["--mode=scirpt", "the nearest: script"]),
    ([*EXPORTED, LONG], ["--out=aaa", "too long"]),
    ([*EXPORTED, "\udcff.pt"], ["--out=?.pt", "UTF-8"]),
    ([*EXPORTED, "x.pt", "dtype=fp16"], ["dtype=fp16", "the nearest: float16"]),
    ([*EXPORTED, "x.pt", "btch=4"], ["btch=4", "the nearest: batch"]),
    ([*EXPORTED, "x.pt", f"batch={2**62}"], [f"batch={2**62}", "32 bits"]),
    ([*EXPORTED, "x.pt", "seed=-1"], ["seed=-1", "64 bits"]),
    (["doctor", "--jsn"], ["--jsn"]),
]  # fmt: skip


def _named(words: list[str]) -> str:
    return " ".join(words)[:50].encode("ascii", "replace").decode()


@pytest.mark.parametrize(("arguments", "named"), REFUSED, ids=_named)
def test_each_command_refuses_in_one_line(
    arguments: list[str],
    named: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, *arguments)
    for words in named:
        assert words in line
    assert len(line) < 500
    assert not list(tmp_path.iterdir())
