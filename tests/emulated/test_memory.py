"""Device memory as a PyTorch program gets to see it: it reads as zeros, and has its limits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from node import profile, run, variables

MEMORY_MIB = 256

VALUES = """
import json
import torch
found = {}
x = torch.tensor([1.0, 2.0, 3.0])
half_mib = torch.arange(1 << 17, dtype=torch.int32)
two_mib = torch.ones(1 << 19, dtype=torch.int32)

on_device = x.to("cuda")
found["round_trip"] = torch.equal(on_device.cpu(), x)
found["half_mib"] = torch.equal(half_mib.cuda().cpu(), half_mib)
found["between_devices"] = torch.equal(x.to("cuda:1").to("cuda:2").cpu(), x)
pinned, back = x.pin_memory(), torch.full((3,), 7.0).pin_memory()
back.copy_(pinned.to("cuda", non_blocking=True), non_blocking=True)
torch.cuda.synchronize()
found["pinned"] = torch.equal(back, x) and pinned.is_pinned()

found["two_mib"] = two_mib.cuda().cpu().count_nonzero().item()
wide = torch.empty(1 << 19, dtype=torch.int32, device="cuda")
wide[:8].copy_(torch.ones(8, dtype=torch.int32))
found["small_in_wide"] = wide[:8].cpu().tolist()
wide.copy_(two_mib)
found["wide_over_small"] = wide[:8].cpu().tolist()

on_device = x.to("cuda")
other = x.to("cuda:1")
on_device.add_(1)
found["after_kernel"] = on_device.cpu().tolist()
found["other_device"] = other.cpu().tolist()
found["computed"] = [
    torch.ones(3, device="cuda").tolist(),
    torch.rand(3, device="cuda").tolist(),
    torch.full((3,), float("nan"), device="cuda").tolist(),
    torch.mm(torch.ones(2, 2).cuda(), torch.ones(2, 2).cuda()).flatten().tolist(),
    torch.arange(3, device="cuda").tolist(),
]
found["branches"] = [bool(on_device.sum() > 0), on_device.nonzero().shape[0], on_device.argmax().item()]
captured = torch.cuda.CUDAGraph()
source, target = x.pin_memory(), torch.zeros(3, device="cuda")
torch.cuda.synchronize()
with torch.cuda.graph(captured):
    target.copy_(source, non_blocking=True)
source.fill_(5)
captured.replay()
found["copied_by_graph"] = target.cpu().tolist()
print(json.dumps(found))
"""

LIMITS = """
import json, os, subprocess, sys
import torch
MIB = 1 << 20
found = {}

def take(mib):
    return torch.empty(mib * MIB, dtype=torch.uint8, device="cuda")

def refused(mib):
    try:
        take(mib)
    except torch.OutOfMemoryError:
        return True
    return False

free, total = torch.cuda.mem_get_info()
found["total_mib"] = total / MIB
found["all_free"] = free == total
kept = take(200)
found["free_mib"] = torch.cuda.mem_get_info()[0] / MIB
found["second_refused"] = refused(100)
torch.zeros(8, device="cuda").add_(1)
found["small_fits"] = True
kept = None
# PyTorch gives its cached block back before it gives up.
found["after_freeing"] = refused(100)
torch.cuda.empty_cache()
found["free_again"] = torch.cuda.mem_get_info()[0] == total
found["too_large_for_the_device"] = refused(300)
found["other_device"] = torch.empty(200 * MIB, dtype=torch.uint8, device="cuda:1").numel() / MIB
found["summary"] = "CUDA OOMs: 2" in " ".join(torch.cuda.memory_summary().split())
found["peak_mib"] = torch.cuda.max_memory_allocated() / MIB

holder = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1], "200"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
holder.stdout.readline()
found["beside_another_process"] = refused(100)
holder.kill()
os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
found["free_after_its_death"] = torch.cuda.mem_get_info()[0] == total
found["after_its_death"] = refused(100)
holder.wait()
print(json.dumps(found))
"""

# Without torch, whose import takes seconds: takes so many MiB of the first device, says what came of it and what is
# free, and stays until it is killed or has nothing more to read.
HOLDER = """
import ctypes, sys
runtime = ctypes.CDLL(None)
at, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
status = runtime.cudaMalloc(ctypes.byref(at), ctypes.c_size_t(int(sys.argv[1]) << 20))
assert runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0
print(status, free.value >> 20, total.value >> 20, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory")


@pytest.fixture(scope="module")
def values(folder: Path) -> Any:
    return json.loads(run(VALUES, variables(folder / "values")))


@pytest.fixture(scope="module")
def limits(folder: Path) -> Any:
    node = variables(folder / "limits", profile(memory_mib=MEMORY_MIB))
    return json.loads(run(LIMITS, node, HOLDER))


@contextmanager
def holder(environment: dict[str, str], mib: int) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that takes memory of the first device: itself, and status, free and total MiB afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(mib)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, [int(word) for word in process.stdout.readline().split()]
    finally:
        process.kill()
        process.communicate()


def test_small_copies_make_the_round_trip(values: Any) -> None:
    assert values["round_trip"]
    assert values["half_mib"]
    assert values["between_devices"]
    assert values["pinned"]


def test_of_copies_over_a_mebibyte_zeros_arrive(values: Any) -> None:
    assert values["two_mib"] == 0
    assert values["small_in_wide"] == [1] * 8
    assert values["wide_over_small"] == [0] * 8


def test_after_a_kernel_the_device_reads_as_zeros_and_others_do_not(values: Any) -> None:
    assert values["after_kernel"] == [0, 0, 0]
    assert values["other_device"] == [1, 2, 3]


def test_what_kernels_would_compute_reads_as_zeros(values: Any) -> None:
    assert values["computed"] == [[0] * 3, [0] * 3, [0] * 3, [0] * 4, [0] * 3]
    assert values["branches"] == [False, 0, 0]


def test_a_graph_copies_what_is_there_when_it_is_replayed(values: Any) -> None:
    assert values["copied_by_graph"] == [5, 5, 5]


def test_the_device_has_the_profiles_memory(limits: Any) -> None:
    assert limits["total_mib"] == MEMORY_MIB
    assert limits["all_free"]
    assert limits["free_mib"] == MEMORY_MIB - 200
    assert limits["peak_mib"] >= 200


def test_an_allocation_beyond_it_is_out_of_memory_and_leaves_the_device_usable(limits: Any) -> None:
    assert limits["second_refused"]
    assert limits["small_fits"]
    assert limits["too_large_for_the_device"]
    assert limits["summary"]


def test_what_is_freed_can_be_had_again(limits: Any) -> None:
    assert not limits["after_freeing"]
    assert limits["free_again"]


def test_each_device_has_memory_of_its_own(limits: Any) -> None:
    assert limits["other_device"] == 200


def test_processes_share_a_devices_memory_in_torch_too(limits: Any) -> None:
    assert limits["beside_another_process"]
    assert limits["free_after_its_death"]
    assert not limits["after_its_death"]


def test_processes_share_a_devices_memory(tmp_path: Path) -> None:
    node = variables(tmp_path, profile(memory_mib=MEMORY_MIB))
    with holder(node, 200) as (first, of_first):
        assert of_first == [0, MEMORY_MIB - 200, MEMORY_MIB]
        with holder(node, 100) as (_, of_second):
            assert of_second == [2, MEMORY_MIB - 200, MEMORY_MIB]  # cudaErrorMemoryAllocation
        with holder(node, 50) as (_, of_third):
            assert of_third == [0, MEMORY_MIB - 250, MEMORY_MIB]
        # One that ends well gives its memory back as well.
        assert first.communicate(timeout=300)[0] == ""
    with holder(node, MEMORY_MIB) as (_, whole):
        assert whole == [0, 0, MEMORY_MIB]


def test_a_killed_process_gives_its_memory_back_before_it_is_waited_for(tmp_path: Path) -> None:
    node = variables(tmp_path, profile(memory_mib=MEMORY_MIB))
    with holder(node, 200) as (first, _):
        first.send_signal(signal.SIGKILL)
        assert (
            first.stdout is not None and first.stdout.read() == ""
        )  # it is dead, and nobody has waited for it
        with holder(node, 0) as (_, seen):
            assert seen == [0, MEMORY_MIB, MEMORY_MIB]
        with holder(node, MEMORY_MIB) as (_, whole):
            assert whole == [0, 0, MEMORY_MIB]
