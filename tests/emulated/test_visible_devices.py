"""Which devices of the node a process sees, and what they say of themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from held import shown
from node import ROUND, run, variables

# Without torch, whose import takes seconds: the devices that CUDA shows, by their place on the bus.
DEVICES = """
import ctypes, json
runtime = ctypes.CDLL(None)
count = ctypes.c_int(-1)
status = runtime.cudaGetDeviceCount(ctypes.byref(count))
buses = []
for index in range(count.value):
    text = ctypes.create_string_buffer(32)
    assert runtime.cudaDeviceGetPCIBusId(text, 32, index) == 0
    buses.append(int(text.value.split(b":")[1], 16))
print(json.dumps({"status": status, "buses": buses}))
"""

TORCH_DEVICES = """
import json
import torch
found = {
    "count": torch.cuda.device_count(),
    "available": torch.cuda.is_available(),
    "devices": [
        [p.name, f"{p.major}.{p.minor}", p.total_memory, p.multi_processor_count, str(p.uuid), p.pci_bus_id]
        for p in map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    ],
}
print(json.dumps(found))
"""


def uuid(index: int) -> str:
    """As NVML and nvidia-smi name a device of the node."""
    return f"GPU-656d756c-6174-6564-0000-0000000000{index:02x}"


def test_torch_sees_the_devices_of_the_profile(tmp_path: Path) -> None:
    seen = shown(TORCH_DEVICES, tmp_path, CUDA_VISIBLE_DEVICES=f"{uuid(5)},{uuid(2)}")
    assert seen["count"] == 2
    assert seen["available"]
    for (name, capability, memory, sms, identity, bus), index in zip(seen["devices"], (5, 2), strict=True):
        assert (name, capability) == (ROUND.name, ROUND.compute_capability)
        assert (memory, sms) == (ROUND.memory_mib << 20, ROUND.sms)
        assert (f"GPU-{identity}", bus) == (uuid(index), index + 1)


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        (None, list(range(8))),
        ("0", [0]),
        ("7,0,3", [7, 0, 3]),
        (f"{uuid(6)},{uuid(1)}", [6, 1]),
        (" 1, 4", [1, 4]),
        ("2,9,3", [2]),
        ("2,-1,3", [2]),
        ("1,1", []),
        (f"{uuid(3)},{uuid(3)}", []),
        ("GPU-656d", []),  # which one is not said
        ("", []),
        ("-1", []),
    ],
)
def test_visible_devices_are_chosen_as_cuda_does(
    tmp_path: Path, visible: str | None, devices: list[int]
) -> None:
    environment = variables(tmp_path)
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    seen = json.loads(run(DEVICES, environment))
    assert [bus - 1 for bus in seen["buses"]] == devices
    assert (seen["status"] == 0) == bool(devices)
