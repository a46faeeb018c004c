"""What only a CUDA device can show. Run on a real one by `make gpu-check`, and on an emulated one by
tests/emulated/test_cuda_path.py, where times are modelled but the calls are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from harness.core.launches import AT_MOST
from harness.devices.accelerator import Accelerator
from harness.devices.opening import open_device
from harness.devices.out_of_memory import is_out_of_memory
from harness.modes import get_mode, mode_names
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Point
from harness.timing.blocks import time_block
from harness.timing.bursts import time_burst
from harness.worker.cells.graph_check import replayed
from harness.worker.issuers import InTurn
from harness.workloads.comparison import TOLERANCE, difference
from harness.workloads.workload import WORKLOADS

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, real or emulated"),
    pytest.mark.filterwarnings("ignore"),
]

EMULATED = torch.cuda.is_available() and torch.cuda.get_device_name(0).startswith("Emulated ")
KIND = "emulated" if EMULATED else "cuda"


@pytest.fixture(scope="module")
def device() -> Accelerator:
    opened = open_device(KIND, 0)
    assert isinstance(opened, Accelerator)
    return opened


def point(**changes: Any) -> Point:
    config = replace(Config(depth=[16], width=[256], mode=["eager"]), **changes)
    return make_plan(config, Inventory(KIND, 1, "", 16)).points[0]


def step_of(device: Accelerator, mode: str, **changes: Any) -> Any:
    workload = WORKLOADS["forward"](point(**changes), device, 0, 0)
    return workload, workload.built(get_mode(mode))


def burst_of(device: Accelerator, step: Any, steps: int, hold_ns: float = 20e6) -> Any:
    return time_burst(step.call, steps, device.gate(hold_ns), device.wait)


@pytest.mark.parametrize("mode", ["eager", "script", "trace"])
def test_a_held_device_gives_issue_and_device_time(device: Accelerator, mode: str) -> None:
    workload, step = step_of(device, mode)
    with workload.context():
        time_block(step.call, 50, device.wait)
        bursts = [burst_of(device, step, 5) for _ in range(10)]
        whole = min(time_block(step.call, 50, device.wait).wall_ns / 50 for _ in range(5))
    assert all(burst.device_ns is not None for burst in bursts)
    device_ns = median(burst.device_ns for burst in bursts)
    issue_ns = median(burst.issue_ns for burst in bursts)
    assert device_ns > 0 and issue_ns > 0
    # A step takes at least as long as the device works on it; its noise and clocks are not ours.
    assert device_ns < 1.3 * whole


def test_a_hold_that_is_too_short_gives_no_device_time(device: Accelerator) -> None:
    workload, step = step_of(device, "eager")
    with workload.context():
        step.call()
        assert burst_of(device, step, 10, hold_ns=1000).device_ns is None


@pytest.mark.parametrize("mode", ["eager", "script", "native"])
def test_launches_are_counted_and_device_time_is_that_of_a_graphs_replay(
    device: Accelerator, mode: str
) -> None:
    """The design's cross-check: a captured graph leaves no gap for the host either."""
    if reason := get_mode(mode).unsupported(workload="forward", dtype="float32", device_kind=KIND):
        pytest.skip(reason)
    workload, step = step_of(device, mode, batch=[1024], width=[1024])
    with workload.context():
        time_block(step.call, 50, device.wait, repeat=step.repeat)
        found = replayed(InTurn([device]), step, most=50)
    # 16 matrix products and 15 activations, some of which may be fused or split.
    assert found.launches is not None and 16 <= found.launches <= 16 * AT_MOST["forward"]
    assert found.held_ns == pytest.approx(found.replay_ns, rel=0.1)


def test_a_captured_graph_is_one_launch_that_holds_them_all(device: Accelerator) -> None:
    for index in range(torch.cuda.device_count()):
        on = device if index == 0 else open_device(KIND, index)
        workload, step = step_of(on, "cudagraph")
        with workload.context(), on.active():
            eager = workload.built(get_mode("eager"))
            time_block(eager.call, 20, on.wait)
            issuers = InTurn([on])
            # Not every version of torch lets a replay be captured; then nothing is known, and nothing broken.
            assert replayed(issuers, step, most=50).launches in (1, None)
            replays, held = (
                median(issuers.burst(0, each, 5, 20e6).device_ns for _ in range(5)) for each in (step, eager)
            )
        assert replays == pytest.approx(held, rel=0.25), index  # and none of them is empty
    torch.accelerator.set_device_index(0)


def test_a_large_batch_leaves_the_device_no_time_to_wait(device: Accelerator) -> None:
    workload, step = step_of(device, "eager", batch=[16384], width=[4096], depth=[4])
    with workload.context():
        time_block(step.call, 3, device.wait)
        device_ns = median(burst_of(device, step, 3).device_ns for _ in range(5))
        step_ns = median(time_block(step.call, 10, device.wait).wall_ns / 10 for _ in range(5))
    assert device_ns == pytest.approx(step_ns, rel=0.1)


def test_memory_that_there_is_not_is_told_as_such_and_the_device_goes_on(device: Accelerator) -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(2 * total, dtype=torch.uint8, device=device.torch_device)
    assert is_out_of_memory(caught.value)
    device.free_cached_memory()
    assert not device.is_broken()
    assert torch.empty(1024, device=device.torch_device).numel() == 1024


def test_peak_memory_is_what_the_cell_itself_took(device: Accelerator) -> None:
    kept = torch.empty(64 * 2**20, dtype=torch.uint8, device=device.torch_device)
    device.begin_cell()
    device.reset_peak_memory()
    torch.empty(16 * 2**20, dtype=torch.uint8, device=device.torch_device)
    assert device.peak_memory_mib() == pytest.approx(16, abs=1)
    assert kept.numel()


@pytest.mark.skipif(EMULATED, reason="an emulated device computes nothing")
@pytest.mark.parametrize("mode", [mode for mode in mode_names() if mode != "eager"])
def test_modes_give_what_eager_gives(device: Accelerator, mode: str) -> None:
    if reason := get_mode(mode).unsupported(workload="forward", dtype="float32", device_kind=KIND):
        pytest.skip(reason)
    workload = WORKLOADS["forward"](point(batch=[64]), device, 0, 0)
    with workload.context():
        reference = workload.built(get_mode("eager")).outcome()
        step = workload.built(get_mode(mode))
        for _ in range(3):  # a script is fused at its second or third call
            assert difference(step.outcome(), reference) <= TOLERANCE["float32"]


def test_a_launch_failure_stays_with_the_process(tmp_path: Path) -> None:
    """In a process of its own: after it no call to the device succeeds there."""
    if EMULATED:
        variables, provoke = {"EMULATOR_FAULTS": "launch:device=0,after=3"}, "for _ in range(8): x = x + 1"
    else:
        variables, provoke = {}, "x[torch.tensor([10**9], device='cuda')]"  # an assertion on the device
    code = (
        "import torch; from harness.devices.opening import open_device\n"
        f"device = open_device('{KIND}', 0); x = torch.zeros(4, device='cuda')\n"
        "assert not device.is_broken()\n"
        f"try:\n    {provoke}\n    device.wait()\nexcept RuntimeError: pass\n"
        "assert device.is_broken(); print('broken')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip().endswith("broken"), done.stdout + done.stderr
