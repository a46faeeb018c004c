"""Output that cannot be written is dropped, and ends nothing: pipes, terminals, disks, encodings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_runs import RawRun, cell_of
from running import command, environment, one_quick

LETTERS = "mlp-µ–日本"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With letters in its name that ASCII lacks, so that they are shown."""
    raw, cell = RawRun(tmp_path_factory.mktemp("runs") / LETTERS), cell_of()
    raw.plan(cell)
    raw.session("processes-1-try1", [cell])
    return raw.directory


def reported(
    run: Path, begin: Callable[[], None] | None = None, **options: object
) -> subprocess.Popen[bytes]:
    for name in ("points.csv", "report.html", "report.md"):
        (run / name).unlink(missing_ok=True)
    variables = options.pop("variables", {})
    assert isinstance(variables, dict)
    return subprocess.Popen(
        command("report", str(run)), env={**environment(), **variables}, preexec_fn=begin, **options
    )


def assert_written(run: Path) -> None:
    assert all((run / name).exists() for name in ("points.csv", "report.html", "report.md"))


def test_a_reader_that_has_gone(run: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = reported(run, stdout=write, stderr=subprocess.PIPE, variables={"PYTHONUNBUFFERED": "1"})
    os.close(write)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert_written(run)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full_behind_it(run: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = reported(run, stdout=full, stderr=subprocess.PIPE)
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert_written(run)


@pytest.mark.long
def test_a_terminal_that_is_closed(run: Path) -> None:
    ours, theirs = os.openpty()
    process = reported(run, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert_written(run)


@pytest.mark.parametrize("closed", one_quick("012", "1"))
def test_streams_that_were_closed_from_the_start(run: Path, closed: str) -> None:
    """What is opened next must not get their numbers: files would be written into by whoever prints."""

    def begin() -> None:
        for number in closed:
            os.close(int(number))

    process = reported(run, begin, stderr=subprocess.PIPE)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert_written(run)
    assert (run / "points.csv").read_text().startswith("key,")


@pytest.mark.parametrize(
    "setting", one_quick("PYTHONIOENCODING=ascii", "PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 LC_ALL=C")
)
def test_letters_that_the_encoding_lacks(run: Path, setting: str) -> None:
    """Of a path, of a device, of a table's lines."""
    variables = dict(word.split("=") for word in setting.split())
    process = reported(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, variables=variables)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert b"report.html" in out
    assert_written(run)
