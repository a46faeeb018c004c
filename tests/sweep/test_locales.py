"""A locale whose encoding is not UTF-8, in a folder whose name needs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from raw_runs import RawRun, cell_of
from running import command, environment

from harness.core.errors import ConfigError
from harness.plan.config import Config
from harness.records.acceptable import check_path

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SWEEP = (
    "sweep",
    "sweep=smoke",
    "device=cpu",
    "depth=[2]",
    "batch=[1]",
    "devices=[1]",
    "timing=quick",
    "out=結果",
)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        command(*arguments), cwd=folder, env={**environment(), **ASCII}, capture_output=True, timeout=240
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "測定"
    made.mkdir()
    return made


@pytest.mark.long
def test_a_plan_and_a_report(folder: Path) -> None:
    raw, cell = RawRun(folder / "結果"), cell_of()
    raw.plan(cell)
    raw.session("processes-1-try1", [cell])
    run(folder, "report", "結果")
    assert (folder / "結果" / "report.md").read_text(encoding="utf-8").startswith("# Report")
    run(folder, *SWEEP[:-1], "out=別", "dry_run=true")


@pytest.mark.long
def test_a_sweep(folder: Path) -> None:
    """torch opens its files in UTF-8, whatever the locale is."""
    run(folder, *SWEEP)
    assert ",ok," in (folder / "結果" / "points.csv").read_text(encoding="utf-8")


def test_a_path_that_torch_cannot_open_is_refused_before_it_is_tried(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="UTF-8"):
        check_path(tmp_path / "\udcff", Config())
