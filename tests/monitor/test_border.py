"""The border to NVML, with pynvml's functions faked: what is found, and what each of its errors is called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from harness.monitor.nvml import NO_MIG, NoNvml, Nvml, Refused

UUIDS = {"a": b"GPU-a", "b": "GPU-b"}


def refuse(code: int) -> Any:
    def function(*arguments: Any) -> Any:
        raise pynvml.NVMLError(code)

    return function


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets functions of pynvml; two devices without MIG unless the test says otherwise."""

    def fake(**functions: Any) -> None:
        for name, function in functions.items():
            monkeypatch.setattr(pynvml, name, function)

    fake(
        nvmlInit=lambda: None,
        nvmlSystemGetNVMLVersion=lambda: b"13.0",
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: "ab"[index],
        nvmlDeviceGetUUID=lambda handle: UUIDS[handle],
        nvmlDeviceGetPciInfo=lambda handle: SimpleNamespace(busId="00000000:01:00.0"),
        nvmlDeviceGetName=lambda handle: "GPU of a test",
        nvmlDeviceGetMigMode=refuse(pynvml.NVML_ERROR_NOT_SUPPORTED),
    )
    return fake


def test_devices_are_told_apart_by_uuid_and_pci_id(library: Any) -> None:
    nvml = Nvml()
    assert [(each.uuid, each.pci, each.mig) for each in nvml.devices()] == [
        ("GPU-a", "00000000:01:00.0", False),
        ("GPU-b", "00000000:01:00.0", False),
    ]
    assert nvml.version == "13.0"


def test_a_device_that_is_counted_but_lost_leaves_the_others(library: Any) -> None:
    def handle(index: int) -> str:
        return "b" if index else refuse(pynvml.NVML_ERROR_GPU_IS_LOST)()

    library(nvmlDeviceGetHandleByIndex=handle)
    nvml = Nvml()
    assert [each.uuid for each in nvml.devices()] == ["GPU-b"]
    assert nvml.lost == ["device 0 of NVML: GPU is lost"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (refuse(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND), "NVML Shared Library Not Found"),
        (refuse(pynvml.NVML_ERROR_DRIVER_NOT_LOADED), "Driver Not Loaded"),
        (refuse(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH), "version mismatch"),
        (refuse(pynvml.NVML_ERROR_NO_PERMISSION), "Insufficient Permissions"),
    ],
)
def test_why_there_is_no_nvml_is_said(library: Any, function: Any, words: str) -> None:
    library(nvmlInit=function)
    with pytest.raises(NoNvml, match=words):
        Nvml()


def test_a_missing_module_is_no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    with pytest.raises(NoNvml, match="nvidia-ml-py"):
        Nvml()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (pynvml.NVML_ERROR_NOT_SUPPORTED, "unsupported"),
        (pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, "unsupported"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "denied"),
        (pynvml.NVML_ERROR_GPU_IS_LOST, "lost"),
        (pynvml.NVML_ERROR_RESET_REQUIRED, "lost"),
        (pynvml.NVML_ERROR_UNKNOWN, "error"),
        (pynvml.NVML_ERROR_TIMEOUT, "error"),
    ],
)
def test_every_error_of_nvml_has_a_kind(library: Any, code: int, kind: str) -> None:
    library(nvmlDeviceGetPowerUsage=refuse(code))
    nvml = Nvml()
    with pytest.raises(Refused) as refused:
        nvml.ask("power", nvml.devices()[0])
    assert refused.value.kind == kind


def test_a_fault_of_pynvml_itself_is_an_error_like_others(library: Any) -> None:
    library(nvmlDeviceGetPowerUsage=lambda handle: None)
    nvml = Nvml()
    with pytest.raises(Refused, match="TypeError"):
        nvml.ask("power", nvml.devices()[0])


def test_units_are_watts_joules_and_mebibytes(library: Any) -> None:
    library(
        nvmlDeviceGetPowerUsage=lambda handle: 250_500,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 1_234_567,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=3 << 20),
    )
    nvml = Nvml()
    device = nvml.devices()[0]
    assert [nvml.ask(what, device) for what in ("power", "energy", "memory")] == [250.5, 1234.567, 3.0]


def test_throttle_reasons_have_names(library: Any) -> None:
    library(nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x4 | 0x40 | 1 << 40)
    nvml = Nvml()
    assert nvml.ask("throttle", nvml.devices()[0]) == ["sw_power_cap", "hw_thermal_slowdown"]


def test_how_often_a_value_changes_is_read_from_the_drivers_record(library: Any) -> None:
    stamps = {1: [166_000 * n for n in range(1, 9)], 0: [20_000 * n for n in range(1, 100)]}
    library(
        nvmlDeviceGetSamples=lambda handle, kind, since: (
            1,
            [SimpleNamespace(timeStamp=stamp) for stamp in stamps[kind]],
        )
    )
    nvml = Nvml()
    assert nvml.ask("periods", nvml.devices()[0]) == {"utilization": 0.166, "power": 0.02}


class TestMig:
    @pytest.fixture
    def split(self, library: Any) -> Any:
        """Device a is split in two instances of seven that may be."""

        def instance(parent: str, number: int) -> str:
            return f"a{number}" if number < 2 else refuse(pynvml.NVML_ERROR_NOT_FOUND)()

        uuids = {**UUIDS, "a0": "MIG-0", "a1": "MIG-1"}
        library(
            nvmlDeviceGetMigMode=lambda handle: [int(handle == "a")] * 2,
            nvmlDeviceGetMaxMigDeviceCount=lambda handle: 7,
            nvmlDeviceGetMigDeviceHandleByIndex=instance,
            nvmlDeviceGetGpuInstanceId=lambda handle: 3,
            nvmlDeviceGetUUID=lambda handle: uuids[handle],
            nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=7),
        )
        return library

    def test_instances_stand_beside_the_device_they_are_part_of(self, split: Any) -> None:
        found = Nvml().devices()
        assert [(each.uuid, each.mig) for each in found] == [
            ("GPU-a", False),
            ("MIG-0", True),
            ("MIG-1", True),
            ("GPU-b", False),
        ]
        assert found[0].pci == found[1].pci

    @pytest.mark.parametrize("what", ["utilization", "power", "energy"])
    def test_what_is_not_an_instances_own_is_said_to_be_unsupported(self, split: Any, what: str) -> None:
        nvml = Nvml()
        with pytest.raises(Refused, match=NO_MIG[what]) as refused:
            nvml.ask(what, nvml.devices()[1])
        assert refused.value.kind == "unsupported"


class TestGpm:
    @pytest.fixture
    def hopper(self, library: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """A device with GPM; answers the clock, which the test sets."""
        clock = [1000.0]

        def metrics(asked: Any) -> Any:
            for place in range(asked.numMetrics):
                asked.metrics[place].value = 10.0 * asked.metrics[place].metricId
                asked.metrics[place].nvmlReturn = 0
            return asked

        library(
            nvmlGpmQueryDeviceSupport=lambda handle: SimpleNamespace(isSupportedDevice=1),
            nvmlGpmSampleAlloc=lambda: pynvml.c_nvmlGpmSample_t(),
            nvmlGpmSampleGet=lambda handle, sample: sample,
            nvmlGpmMetricsGet=metrics,
        )
        monkeypatch.setattr("harness.monitor.nvml.time.monotonic", lambda: clock[0])
        return clock

    def test_two_samples_give_activity_occupancy_and_memory_traffic(self, hopper: list[float]) -> None:
        nvml = Nvml()
        read = nvml.gpm(nvml.devices()[0])
        assert read() == {}
        hopper[0] += 0.2
        assert read() == {"sm_active": 20.0, "sm_occupancy": 30.0, "dram_active": 100.0}

    def test_samples_closer_than_a_tenth_of_a_second_are_not_taken(self, hopper: list[float]) -> None:
        nvml = Nvml()
        read = nvml.gpm(nvml.devices()[0])
        read()
        hopper[0] += 0.05
        assert read() == {}

    def test_devices_before_hopper_have_none(self, library: Any) -> None:
        library(nvmlGpmQueryDeviceSupport=lambda handle: SimpleNamespace(isSupportedDevice=0))
        nvml = Nvml()
        with pytest.raises(Refused) as refused:
            nvml.gpm(nvml.devices()[0])
        assert refused.value.kind == "unsupported"
