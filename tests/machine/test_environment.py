"""What the machine is: asked once, of files and of torch in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.cpu import usable_cores
from harness.core.errors import ConfigError, HarnessError
from harness.machine.environment import (
    describe_environment,
    differences,
    probe_torch,
    take_inventory,
)
from harness.plan.config import Config, DeviceConfig

PROBE: dict[str, Any] = {
    "torch": "2.14.1+cpu",
    "built_for_cuda": None,
    "cpu_name": "Test CPU",
    "mkl": True,
    "devices": [],
    "distributed": True,
}
GPU = {"name": "Test GPU", "memory_mib": 32_000, "capability": "7.0"}
CUDA_PROBE = {**PROBE, "torch": "2.14.1+cu128", "built_for_cuda": "12.8", "devices": [GPU, GPU]}


def inventory(kind: str, probe: dict[str, Any]):
    return take_inventory(Config(device=DeviceConfig(kind=kind)), probe)


class TestInventory:
    def test_auto_takes_the_gpus_that_are_there(self) -> None:
        found = inventory("auto", CUDA_PROBE)
        assert (found.kind, found.count, found.name, found.explicit) == ("cuda", 2, "Test GPU", False)

    def test_auto_takes_the_cpu_where_there_are_none(self) -> None:
        found = inventory("auto", PROBE)
        assert (found.kind, found.name, found.explicit) == ("cpu", "Test CPU", False)
        assert found.count == found.cores == usable_cores()

    def test_the_cpu_can_be_asked_for_beside_gpus(self) -> None:
        found = inventory("cpu", CUDA_PROBE)
        assert (found.kind, found.explicit) == ("cpu", True)

    @pytest.mark.parametrize("asked", ["auto", "cuda", "emulated"])
    def test_devices_that_call_themselves_emulated_are_so_whatever_was_asked_for(self, asked: str) -> None:
        """A program that was started on an emulated node must not take its devices for real ones."""
        emulated = {**GPU, "name": "Emulated Test GPU"}
        found = inventory(asked, {**CUDA_PROBE, "devices": [emulated, emulated]})
        assert (found.kind, found.count) == ("emulated", 2)

    def test_an_emulated_node_without_devices_is_refused_with_what_torch_says(self) -> None:
        with pytest.raises(HarnessError, match="torch sees no device: no driver"):
            inventory("emulated", {**PROBE, "device_error": "no driver"})

    def test_gpus_asked_for_by_name_are_remembered_as_such(self) -> None:
        assert inventory("cuda", CUDA_PROBE).explicit

    @pytest.mark.parametrize(
        ("probe", "reason"),
        [
            (PROBE, "build without CUDA"),
            ({**PROBE, "built_for_cuda": "12.8"}, "sees no CUDA device"),
            (
                {**PROBE, "built_for_cuda": "12.8", "device_error": "RuntimeError: driver too old"},
                "driver too old",
            ),
        ],
    )
    def test_gpus_that_are_not_there_are_refused_with_the_reason(
        self, probe: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            inventory("cuda", probe)
        assert (caught.value.key, caught.value.value) == ("device", "cuda")
        assert reason in caught.value.allowed


class TestDifferences:
    BEFORE: dict[str, Any] = {  # noqa: RUF012
        "device_kind": "cpu",
        "device_name": "Test CPU",
        "python": "3.11.7",
        "host": "node1",
        "torch": {"torch": "2.14.1"},
    }

    def test_the_same_machine_has_none(self) -> None:
        assert differences(self.BEFORE, dict(self.BEFORE)) == []

    @pytest.mark.parametrize("key", ["device_kind", "device_name", "python", "host"])
    def test_what_makes_figures_incomparable_is_named(self, key: str) -> None:
        (told,) = differences(self.BEFORE, {**self.BEFORE, key: "other"})
        assert told == f"{key}: {self.BEFORE[key]} then, other now"

    def test_another_torch_is_named(self) -> None:
        (told,) = differences(self.BEFORE, {**self.BEFORE, "torch": {"torch": "2.6.0"}})
        assert told == "torch: 2.14.1 then, 2.6.0 now"

    def test_load_and_time_may_differ(self) -> None:
        assert differences({**self.BEFORE, "time_utc": "a"}, {**self.BEFORE, "time_utc": "b"}) == []

    @pytest.mark.parametrize("torch", [None, "2.14.1", [], 3])
    def test_an_environment_of_another_shape_differs_and_breaks_nothing(self, torch: object) -> None:
        assert differences({**self.BEFORE, "torch": torch}, self.BEFORE) != []


def test_the_environment_is_json_with_what_a_reader_needs() -> None:
    found = describe_environment(inventory("auto", CUDA_PROBE), CUDA_PROBE)
    again = json.loads(json.dumps(found))
    assert again == found
    assert (again["device_kind"], again["device_name"], again["devices_present"]) == ("cuda", "Test GPU", 2)
    assert again["cpu"]["cores_usable"] == usable_cores()
    assert again["packages"]["torch"]


def test_secrets_among_the_variables_are_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """environment.json is meant to be shared: only variables that change a measurement are in it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = describe_environment(inventory("cpu", PROBE), PROBE)["variables"]
    assert found["OMP_NUM_THREADS"] == "3"
    assert "secret" not in found.values()


def test_torch_is_asked_in_another_process() -> None:
    found = probe_torch()
    assert found["torch"]
    assert found["cpu_name"]
    assert isinstance(found["devices"], list)


def test_a_broken_torch_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12: no such file')")
    with pytest.raises(HarnessError, match=r"torch cannot be imported by .*libcudart"):
        probe_torch()
    (tmp_path / "torch.py").write_text("import os; os._exit(3)")
    with pytest.raises(HarnessError, match="torch could not be asked"):
        probe_torch()
