"""`harness diagnose` as a user has it: what it refuses, what it leaves behind, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MODULE = """
import torch
from torch import nn

def build(layers=4):
    return nn.Sequential(*(nn.Linear(16, 16) for _ in range(layers)))

def inputs(batch):
    return torch.ones(batch, 16)

def failing():
    def step():
        raise KeyError("no such thing")
    return step
"""
QUICK = ("--device", "cpu", "--minutes", "0.1")


@pytest.fixture
def module(tmp_path: Path) -> str:
    (tmp_path / "of_a_user.py").write_text(MODULE)
    return "of_a_user"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no name"], "package.module:name"),
        (["a:b", "--minutes", "0"], "--minutes"),
        (["a:b", "--samples", "0"], "--samples"),
        (["a:b", "--arg", "layers"], "KEY=VALUE"),
        (["a:b", "--loss", "c:d"], "with --train"),
        (["a:b", "--profile", "h100x8"], "--device emulated"),
        (["a:b", "--minuets", "1"], "the nearest: --minutes"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(harness: Any, arguments: list[str], says: str) -> None:
    done = harness("diagnose", *arguments)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout


@pytest.mark.long
def test_what_was_predicted_is_written_down_and_verified(harness: Any, module: str, tmp_path: Path) -> None:
    out = tmp_path / "found"
    done = harness("diagnose", f"{module}:build", "--arg", "layers=6", *QUICK, "--verify", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "This step is bound by" in done.stdout or "not to be told" in done.stdout
    certificate = json.loads((out / "certificate.json").read_text())
    data = json.loads((out / "diagnosis.json").read_text())
    written = [each["predicted_us"] for each in certificate["what_if"]]
    assert written == [each["predicted_us"] for each in data["what_if"]]
    script = next(each for each in data["what_if"] if each["change"] == "script")
    assert script["measured_us"]["estimate"] > 0
    assert script["error"] == pytest.approx(
        script["predicted_us"]["estimate"] / script["measured_us"]["estimate"] - 1
    )
    assert (out / "certificate.json").stat().st_mtime_ns < (out / "diagnosis.json").stat().st_mtime_ns
    assert json.loads((out / "passport.json").read_text())["costs_ns"]
    # Again into the same folder, which is ours; not where somebody else's file would have to go.
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "diagnosis.json").write_text("{}")
    refused = harness("diagnose", f"{module}:build", *QUICK, "--out", str(tmp_path / "theirs"))
    assert refused.returncode == 2 and "did not make" in refused.stderr
    assert (tmp_path / "theirs" / "diagnosis.json").read_text() == "{}"


@pytest.mark.long
def test_a_step_that_fails_is_told_with_its_line(harness: Any, module: str) -> None:
    done = harness("diagnose", f"{module}:failing", *QUICK)
    assert done.returncode == 1
    assert "KeyError" in done.stderr and "of_a_user.py:13" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.long
def test_as_json_nothing_else_is_on_standard_output(harness: Any, module: str) -> None:
    done = harness("diagnose", f"{module}:build", *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    assert {"verdict", "shares", "launches", "feedable_devices", "what_if"} <= set(json.loads(done.stdout))
