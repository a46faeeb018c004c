"""The device of a rank by its kind, and where CUDA is called."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import harness
from harness.core.cpu import cpu_name
from harness.devices.opening import open_device

HARNESS = Path(harness.__file__).parent


def test_a_cpu_is_the_same_for_every_rank() -> None:
    device = open_device("cpu", 3)
    assert (device.kind, device.name, device.torch_device) == ("cpu", cpu_name(), torch.device("cpu"))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_an_accelerator_that_is_not_there_cannot_be_opened() -> None:
    with pytest.raises(RuntimeError):
        open_device("cuda", 0)


@pytest.mark.parametrize("room", ["modes", "timing", "worker", "workloads"])
def test_what_is_built_on_devices_calls_no_cuda_of_its_own(room: str) -> None:
    callers = [
        f"{path.name}:{node.lineno}"
        for path in (HARNESS / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.cuda"
    ]
    assert callers == []
