"""`harness doctor`: facts of the machine first, then what limits a measurement; or all facts as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.commands import doctor
from harness.monitor import inspect

PROBE: dict[str, Any] = {
    "torch": "2.14.1",
    "built_for_cuda": None,
    "cpu_name": "Test CPU [9000]",
    "devices": [],
}


@pytest.fixture(autouse=True)
def a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe_torch", lambda: PROBE)
    monkeypatch.setattr(inspect, "look", lambda: {"nvml": None, "why": "no driver", "devices": []})


def test_facts_come_first_then_each_limit_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.doctor() == 0
    said = capsys.readouterr().out
    assert (
        said.index("Test CPU [9000]") < said.index("No CUDA device") < said.index("is a build without CUDA")
    )
    assert "On a machine with a GPU install a CUDA build" in said


def test_as_json_it_is_the_environment_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.doctor(as_json=True) == 0
    environment = json.loads(capsys.readouterr().out)
    assert environment["device_kind"] == "cpu"
    assert environment["nvml"]["why"] == "no driver"
