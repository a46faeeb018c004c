"""Each thing that limits a measurement is found, with advice, and nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from harness.machine.limits import examine
from harness.monitor import inspect

GPU = {"name": "Test GPU", "memory_mib": 32_000, "capability": "7.0"}

DEVICE: dict[str, Any] = {
    "uuid": "GPU-1",
    "pci": "00000000:01:00.0",
    "name": "Test GPU",
    "is_instance": False,
    "throttle": ["idle"],
    "users": [],
    "settings": {
        "sm_mhz": 1200,
        "sm_max_mhz": 1500,
        "mem_mhz": 900,
        "power_limit_w": 300.0,
        "power_default_w": 300.0,
        "persistence": 1,
        "compute_mode": 0,
        "ecc": 1,
        "ecc_pending": 1,
        "mig": None,
    },
}

GOOD: dict[str, Any] = {
    "host": "node1",
    "device_kind": "cuda",
    "devices_present": 4,
    "nvidia_driver": "570.1",
    "nvml": {"nvml": "13.0", "why": None, "devices": [DEVICE] * 4},
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
    limits = list(examine(environment, inspect.advise(environment["nvml"])))
    assert all(limit.advice for limit in limits)
    return [limit.what for limit in limits]


def on_cpu(environment: dict[str, Any]) -> None:
    environment.update(device_kind="cpu", devices_present=32, nvidia_driver=None)
    environment["torch"]["devices"] = []
    environment["nvml"] = {"nvml": None, "why": "NVML Shared Library Not Found", "devices": []}


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


def with_device(place: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Changes one device, or its settings, as NVML shows them."""

    def change(environment: dict[str, Any]) -> None:
        device = copy.deepcopy(DEVICE)
        for key, value in changes.items():
            (device if key in device else device["settings"])[key] = value
        environment["nvml"]["devices"][place] = device

    return change


class TestDevicesByNvml:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"persistence": 0}, "Device 2: persistence mode is off"),
            ({"power_limit_w": 200.0}, "the power limit is 200 W, below the usual 300 W"),
            ({"ecc_pending": 0}, "ECC will be off after the next restart"),
            ({"mig": 1}, "split into MIG instances"),
            ({"compute_mode": 2}, "no process may compute on it"),
            ({"throttle": ["hw_thermal_slowdown"]}, "clocks are held down now (hw_thermal_slowdown)"),
            ({"users": [{"pid": 7, "name": "train"}]}, "other processes use it: 7 (train)"),
        ],
    )
    def test_what_is_to_be_changed_first_is_found_alone(self, changes: dict[str, Any], words: str) -> None:
        (what,) = found(with_device(2, **changes))
        assert words in what

    def test_what_all_devices_have_in_common_is_said_once(self) -> None:
        def change(environment: dict[str, Any]) -> None:
            for place in range(4):
                with_device(place, persistence=0)(environment)

        assert found(change) == ["All devices: persistence mode is off."]

    @pytest.mark.parametrize(
        "changes",
        [{"settings": None}, {"throttle": None}, {"users": None}, {"persistence": None, "ecc": None}],
    )
    def test_what_is_not_told_is_not_found(self, changes: dict[str, Any]) -> None:
        assert found(with_device(0, **changes)) == []

    def test_devices_without_nvml_are_told_with_the_reason(self) -> None:
        (what,) = found(lambda e: e.update(nvml={"nvml": None, "why": "Driver Not Loaded", "devices": []}))
        assert "NVML shows no device: Driver Not Loaded" in what

    def test_a_device_that_nvml_has_lost_is_told(self) -> None:
        (what,) = found(lambda e: e["nvml"].update(why="device 3 of NVML: GPU is lost"))
        assert "device 3 of NVML: GPU is lost" in what

    def test_each_device_has_a_line_with_all_that_is_known(self) -> None:
        lines = [text for _, text in inspect.rows({"devices": [DEVICE, {**DEVICE, "settings": None}]})]
        assert lines[0] == "Test GPU, GPU-1, PCI 00000000:01:00.0"
        assert "SM clock 1200 of 1500 MHz; memory clock 900 MHz; power limit 300 of 300 W" in lines[1]
        assert "persistence on; ECC on; MIG not told; used by nobody else" in lines[1]
        assert "SM clock not told" in lines[3]
