"""`harness environment create|list|remove`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from fake_pythons import FakePython
from running import command, environment, heeding_signals, wait_until

from harness.commands.cli import main
from harness.environments import document, kept

TORCH = """framework: torch
python: "3.14"
requirements: [torch==2.13.0]
"""
OLD = """python: "3.6"
requirements: [torch==1.10.2]
"""


@pytest.fixture
def descriptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of them instead of conf/environment/."""
    place = tmp_path / "environment"
    place.mkdir()
    (place / "other.yaml").write_text(TORCH)
    (place / "old.yaml").write_text(OLD)
    monkeypatch.setattr(document, "folder_of_documents", lambda: place)
    # Importing this Python's own torch takes seconds, and is the subject of another test.
    monkeypatch.setattr(
        "harness.environments.looking.HERE",
        document.HERE.__class__("here", "json", document.HERE.python, (), {}),
    )
    return place


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Name -> the cells of its row in the list."""
    assert main(["environment", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "python", "framework", "size", "state"]
    return {cells[0]: cells for line in lines[1:] if (cells := re.split(r"  +", line.strip()))}


def refused(capsys: pytest.CaptureFixture[str], *words: str, status: int = 2) -> str:
    assert main(["environment", *words]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.splitlines()[-1]
    assert line.startswith("harness: error: ")
    return line


def test_one_is_created_listed_and_removed(
    capsys: pytest.CaptureFixture[str], fake: FakePython, folder: Path, descriptions: Path
) -> None:
    assert rows(capsys)["other"][1:] == ["3.14", "torch==2.13.0", "-", "not created"]
    assert main(["environment", "create", "other"]) == 0
    captured = capsys.readouterr()
    assert Path(captured.out.strip()).is_relative_to(folder)
    assert "Collecting" not in captured.err, "what pip says is for a terminal"
    assert "installing torch==2.13.0" in captured.err
    _, python, framework, size, state = rows(capsys)["other"]
    assert (python, framework, state) == ("3.14.9", "torch 2.13.0, CPU", "runs")
    assert re.fullmatch(r"\d+ MiB", size)
    assert main(["environment", "remove", "other"]) == 0
    assert "removed" in capsys.readouterr().out
    assert rows(capsys)["other"][-1] == "not created"


def test_what_needs_a_python_that_is_not_there_says_so(
    capsys: pytest.CaptureFixture[str], folder: Path, descriptions: Path
) -> None:
    assert "needs Python 3.6" in rows(capsys)["old"][-1]
    assert "name one with python=" in refused(capsys, "create", "old")


def test_one_that_does_not_run_any_more_is_listed_with_the_reason(
    capsys: pytest.CaptureFixture[str], fake: FakePython, folder: Path, descriptions: Path
) -> None:
    assert main(["environment", "create", "other"]) == 0
    capsys.readouterr()
    fake.told(ends_by=11)
    assert "SIGSEGV while importing torch" in rows(capsys)["other"][-1]


def test_what_a_description_was_before_it_changed_is_listed_and_removed_too(
    capsys: pytest.CaptureFixture[str], fake: FakePython, folder: Path, descriptions: Path
) -> None:
    assert main(["environment", "create", "other"]) == 0
    (descriptions / "other.yaml").write_text(TORCH.replace("2.13.0", "2.14.1"))
    assert main(["environment", "create", "other"]) == 0
    (descriptions / "other.yaml").unlink()
    capsys.readouterr()
    assert main(["environment", "list"]) == 0
    assert capsys.readouterr().out.count("\nother ") == 2
    assert main(["environment", "remove", "other"]) == 0
    assert kept.found_there() == []


def test_a_description_that_is_refused_is_a_row_and_the_others_are_listed(
    capsys: pytest.CaptureFixture[str], folder: Path, descriptions: Path
) -> None:
    (descriptions / "broken.yaml").write_text("requirements: ['--pre']\n")
    (descriptions / "list.yaml").write_text("- a\n")
    found = rows(capsys)
    assert "no options of pip" in found["broken"][-1]
    assert "refused" in found["list"][-1]
    assert "here" in found and "other" in found


def test_one_that_is_there_already_is_listed_and_nothing_is_made(
    capsys: pytest.CaptureFixture[str], fake: FakePython, folder: Path, descriptions: Path
) -> None:
    (descriptions / "mine.yaml").write_text(f"python: {fake.path}\n")
    assert rows(capsys)["mine"][1:] == ["3.14.9", "torch 2.13.0, CPU", "-", "runs"]
    assert main(["environment", "create", "mine"]) == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create"], "one name"),
        (["create", "a", "b"], "one name"),
        (["create", "othre"], "the nearest: other"),
        (["create", "other", "pyhton=3.14"], "pyhton=3.14"),
        (["create", "here", "python=3.14"], "nothing beside here"),
        (["create", "other", "python=/nowhere/python"], "/nowhere/python is not there"),
        (["remove"], "one name"),
        (["remove", "other"], "there is none"),
        (["remove", "here"], "there is none"),
        (["remove", "../other"], "there is none"),
        (["list", "other"], "no more words"),
        (["lsit"], "list"),
        ([], "--help"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], folder: Path, descriptions: Path, words: list[str], told: str
) -> None:
    assert told in refused(capsys, *words)


def test_what_an_environment_says_is_no_order_to_a_terminal(
    capsys: pytest.CaptureFixture[str], fake: FakePython, folder: Path, descriptions: Path
) -> None:
    from fake_pythons import facts

    fake.told(facts=facts(version="\x1b[2J", error=""), pip_says="\x1b[2JCollecting")
    assert main(["environment", "create", "other"]) == 0
    assert main(["environment", "list"]) == 0
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err


def test_one_that_is_broken_off_leaves_nothing(fake: FakePython, folder: Path) -> None:
    fake.told(pip_takes_s=600)
    creator = subprocess.Popen(
        command("environment", "create", "python-3.14"),
        env={**environment(), **{name: os.environ[name] for name in ("PATH", "HARNESS_ENVIRONMENTS")}},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding_signals,
    )
    wait_until(lambda: fake.runs("-m", "pip", "install"), "pip is started")
    creator.send_signal(signal.SIGINT)
    _, errors = creator.communicate(timeout=60)
    assert creator.returncode == 130, errors
    assert "Traceback" not in errors
    assert not [path for path in folder.iterdir() if path.is_dir()]
