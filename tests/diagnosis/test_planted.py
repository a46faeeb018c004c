"""harness diagnose names the cause that was planted, and its line, on the CPU and on an emulated node."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import planted
import pytest
from running import environment

from harness.diagnosis.verdict import UNTOLD

HERE = Path(__file__).parent
MINUTES = ("0.15", "0.3", "0.6")


def diagnosed(harness: Any, name: str, *more: str) -> dict[str, Any]:
    """Asked for longer as long as other programs make the parts too unsteady to be told, which it says."""
    path = os.pathsep.join([str(HERE), environment()["PYTHONPATH"]])
    found: dict[str, Any] = {}
    for minutes in MINUTES:
        done = harness("diagnose", f"planted:{name}", "--minutes", minutes, "--json", *more, PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        if found["verdict"] != UNTOLD:
            break
    return found


def judge(found: dict[str, Any], causes: set[str]) -> bool:
    """That it names one of the causes; answers whether it does. Where the machine is busy all along it may say that
    this is not to be told, but not be sure of another cause: none has an interval above all of theirs."""
    if found["verdict"] != UNTOLD:
        assert found["verdict"] in causes, found["sentence"]
        return True
    shares = found["shares"]
    others = [share["low"] for cause, share in shares.items() if cause not in causes]
    assert max(share["high"] for cause, share in shares.items() if cause in causes) >= max(others), found
    return False


def at(function: Any) -> str:
    return f"planted.py:{planted.line_of(function)}"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "causes", "line"),
    [
        ("narrow", {"interpreter", "dispatch"}, None),
        ("wide", {"device"}, None),
        ("sleeping", {"own"}, planted.Sleeps),
        ("loading", {"data"}, planted.loading),
    ],
)
def test_on_a_cpu(harness: Any, name: str, causes: set[str], line: Any) -> None:
    found = diagnosed(harness, name, "--device", "cpu")
    if not judge(found, causes):
        return
    if line is not None:
        assert at(line) in found["sentence"]
    if name == "sleeping":
        assert "host, not the framework" in found["sentence"]
    if name == "narrow":
        # Without the interpreter's part, which is the largest, the step is predicted to be faster.
        assert found["shares"]["interpreter"]["estimate"] > found["shares"]["device"]["estimate"]
        assert next(each for each in found["what_if"] if each["change"] == "script")["times_as_fast"] > 1.3


@pytest.mark.long
def test_values_that_are_asked_for_are_told_on_a_cpu_too(harness: Any) -> None:
    """They cost nothing there, and would on a GPU."""
    found = diagnosed(harness, "asking", "--device", "cpu")
    (wait,) = [each for each in found["waits"] if each["what"] == ".item()"]
    assert (f"{Path(wait['file']).name}:{wait['line']}", wait["times"]) == (at(planted.Asks), 32)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "causes", "line"),
    [
        ("narrow", {"interpreter", "dispatch", "launches"}, None),
        ("wide", {"device"}, None),
        ("sleeping", {"own"}, planted.Sleeps),
        ("asking", {"synchronisation"}, planted.Asks),
        ("loading", {"data"}, planted.loading),
        ("captured", {"device"}, None),
    ],
)
def test_on_an_emulated_node(harness: Any, name: str, causes: set[str], line: Any) -> None:
    found = diagnosed(harness, name, "--device", "emulated")
    if not judge(found, causes):
        return
    if line is not None:
        assert at(line) in found["sentence"]
    if name == "narrow":
        assert found["feedable_devices"] < 1
        assert found["launches"] == pytest.approx(3 * planted.DEEP, rel=0.4)
