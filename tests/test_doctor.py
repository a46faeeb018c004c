"""`harness doctor`: each thing that limits a measurement is found, with advice, and nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from harness.doctor import examine

GPU = {"name": "Test GPU", "memory_mib": 32_000, "capability": "7.0"}

GOOD: dict[str, Any] = {
    "host": "node1",
    "device_kind": "cuda",
    "devices_present": 4,
    "nvidia_driver": "570.1",
    "interpreter_lock": True,
    "torch": {"torch": "2.14.1+cu128", "built_for_cuda": "12.8", "devices": [GPU] * 4},
    "cpu": {
        "name": "Test CPU",
        "cores_usable": 32,
        "cores_logical": 32,
        "cores_physical": 32,
        "governor": "performance",
        "load_before": 0.1,
    },
}


def found(change: Callable[[dict[str, Any]], Any] = lambda environment: None) -> list[str]:
    environment = copy.deepcopy(GOOD)
    change(environment)
    findings = list(examine(environment))
    assert all(finding.advice for finding in findings)
    return [finding.what for finding in findings]


def on_cpu(environment: dict[str, Any]) -> None:
    environment.update(device_kind="cpu", devices_present=32, nvidia_driver=None)
    environment["torch"]["devices"] = []


def test_a_good_machine_has_no_findings() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.update(devices_present=64), "64 devices share 32 cores"),
        (
            lambda e: e["torch"]["devices"].append({**GPU, "name": "Old GPU"}),
            "Devices differ: Old GPU, Test GPU",
        ),
        (lambda e: e["cpu"].update(load_before=9.0), "load 9.00 on 32 cores"),
        (lambda e: e["cpu"].update(governor="powersave"), "governor is powersave"),
        (lambda e: e["cpu"].update(cores_physical=16), "32 logical cores are 16 physical ones"),
        (lambda e: e["cpu"].update(cores_logical=64, cores_physical=64), "Only 32 of 64 cores"),
        (lambda e: e.update(interpreter_lock=False), "without the interpreter lock"),
    ],
)
def test_what_limits_a_measurement_is_found_alone(
    change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    (what,) = found(change)
    assert words in what


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["cpu"].update(load_before=7.9),
        lambda e: e["cpu"].update(governor=None),
        lambda e: e["cpu"].update(cores_physical=None, cores_logical=None),
    ],
    ids=["a little load", "unknown governor", "unknown cores"],
)
def test_what_does_not_limit_or_is_not_known_is_not_found(change: Callable[[dict[str, Any]], Any]) -> None:
    assert found(change) == []


class TestWithoutGpu:
    def test_that_ranks_run_on_cores_and_how_many_is_said(self) -> None:
        what = found(on_cpu)
        assert "No CUDA device: ranks run on 32 CPU cores" in what[0]
        assert "More than 32 ranks oversubscribe" in what[1]
        assert len(what) == 2

    def test_a_build_without_cuda_is_told(self) -> None:
        def change(environment: dict[str, Any]) -> None:
            on_cpu(environment)
            environment["torch"]["built_for_cuda"] = None

        assert any("build without CUDA" in what for what in found(change))

    def test_a_driver_that_answers_while_torch_sees_nothing_is_told(self) -> None:
        def change(environment: dict[str, Any]) -> None:
            on_cpu(environment)
            environment["nvidia_driver"] = "470.1"

        assert any("470.1 answers, but torch sees no device" in what for what in found(change))

    def test_why_torch_could_not_look_for_devices_is_told(self) -> None:
        def change(environment: dict[str, Any]) -> None:
            on_cpu(environment)
            environment["torch"]["device_error"] = "RuntimeError: driver too old"

        assert any("driver too old" in what for what in found(change))
