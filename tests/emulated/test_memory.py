"""What a PyTorch program gets to see: memory that reads as zeros, its limits, what works and what is refused."""

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

# Each entry of WORKS is a piece of a benchmark of multilayer perceptrons; each of REFUSED something whose time the
# emulated node does not know.
WORKS = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import torch
from torch import nn
from torch.nn import functional as F

x = torch.randn(32, 64, device="cuda")
labels = torch.zeros(32, dtype=torch.long, device="cuda")

def net():
    layers = nn.Linear(64, 64), nn.GELU(), nn.LayerNorm(64), nn.Dropout(0.1), nn.BatchNorm1d(64), nn.Linear(64, 10)
    return nn.Sequential(*layers).cuda()

def train(model, optimizer=None, dtype=None, scaler=None):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=dtype, enabled=dtype is not None):
            loss = F.cross_entropy(model(x), labels)
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
    assert loss.item() == 0

def optimizer_of(kind, **options):
    def trains():
        model = net()
        train(model, kind(model.parameters(), lr=0.1, **options))
    return trains

def clipped():
    model = net()
    F.cross_entropy(model(x), labels).backward()
    assert nn.utils.clip_grad_norm_(model.parameters(), 1.0).item() == 0

def frozen():
    model = torch.jit.freeze(torch.jit.script(net().eval()))
    with torch.inference_mode():
        for _ in range(4):
            model(x)

def embedded():
    nn.Embedding(10, 8).cuda()(labels).sum().backward()

def priorities():
    least, greatest = torch.cuda.Stream.priority_range()
    assert greatest < least == 0
    stream = torch.cuda.Stream(priority=greatest)
    assert stream.priority == greatest
    with torch.cuda.stream(stream):
        net()(x)
    stream.synchronize()

def saved():
    import io
    held = io.BytesIO()
    torch.save(net().state_dict(), held)
    held.seek(0)
    net().load_state_dict(torch.load(held))

def random_state():
    torch.cuda.set_rng_state(torch.cuda.get_rng_state())
    torch.cuda.manual_seed_all(0)

def loader():
    data = torch.utils.data.TensorDataset(torch.randn(64, 64), torch.zeros(64, dtype=torch.long))
    for batch, targets in torch.utils.data.DataLoader(data, batch_size=16, pin_memory=True):
        F.cross_entropy(net()(batch.cuda(non_blocking=True)), targets.cuda(non_blocking=True)).backward()

def graphed():
    train(torch.cuda.make_graphed_callables(net(), (x,)))

WORKS = {
    **{
        f"{kind.__name__} {options}": optimizer_of(kind, **options)
        for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)
        for options in ({}, {"foreach": True}, {"foreach": False}, {"fused": True})
    },
    "momentum": optimizer_of(torch.optim.SGD, momentum=0.9, nesterov=True, weight_decay=0.1),
    "capturable": optimizer_of(torch.optim.Adam, capturable=True),
    "float16": lambda: train(net(), dtype=torch.float16, scaler=torch.amp.GradScaler("cuda")),
    "bfloat16": lambda: train(net(), dtype=torch.bfloat16),
    "half": lambda: net().half()(x.half()),
    "double": lambda: net().double()(x.double()),
    "clipping": clipped,
    "activations": lambda: [
        f(x) for f in (F.relu, F.gelu, F.silu, F.sigmoid, torch.tanh, F.leaky_relu, F.glu, F.softplus)
    ],
    "normalisations": lambda: [
        kind(64).cuda()(x).sum().backward() for kind in (nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d)
    ],
    "losses": lambda: [f(x, x).item() for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss)],
    "softmax": lambda: (F.softmax(x, -1) + F.log_softmax(x, -1)).sum().item(),
    "embedding": embedded,
    "attention": lambda: F.scaled_dot_product_attention(*[x.view(2, 4, 16, 16)] * 3),
    "selections": lambda: (x.sort(), x.topk(3), x.argmax(1), x[x > 0], labels.unique(), x.cumsum(0)),
    "products": lambda: (x @ x.T, torch.mv(x, x[0]), torch.dot(x[0], x[0]), torch.einsum("ij,kj->ik", x, x)),
    "script": lambda: torch.jit.script(net())(x),
    "script trains": lambda: train(torch.jit.script(net())),
    "trace": lambda: torch.jit.trace(net().eval(), x, check_trace=False)(x),
    "trace trains": lambda: train(torch.jit.trace(net(), x, check_trace=False)),
    "freeze": frozen,
    "graphed callables": graphed,
    "data parallel": lambda: nn.DataParallel(net())(x).sum().backward(),
    "checkpoint": lambda: torch.utils.checkpoint.checkpoint(net(), x, use_reentrant=False).sum().backward(),
    "functional": lambda: torch.func.vmap(torch.func.grad(lambda each: F.linear(each, x).sum()))(x),
    "priorities": priorities,
    "saving": saved,
    "random state": random_state,
    "data loader": loader,
    "memory summary": lambda: torch.cuda.memory_summary() + str(torch.cuda.memory_stats()),
    "annotations": lambda: (torch.cuda.nvtx.range_push("a"), torch.cuda.nvtx.range_pop()),
}
square = torch.zeros(8, 8, device="cuda")
REFUSED = {
    "fft": lambda: torch.fft.fft(x),
    "convolution": lambda: F.conv2d(x.view(1, 2, 32, 32), x[:4, :18].view(4, 2, 3, 3)),
    "lstm": lambda: nn.LSTM(8, 8).cuda()(square.view(8, 1, 8)),
    "inverse": lambda: torch.linalg.inv(square),
    "singular values": lambda: torch.linalg.svd(square),
    "cholesky": lambda: torch.linalg.cholesky(square),
    "solve": lambda: torch.linalg.solve(square, square),
    "sparse product": lambda: torch.sparse.mm(torch.eye(8).to_sparse().cuda(), square),
    "complex product": lambda: torch.mm(square.to(torch.complex64), square.to(torch.complex64)),
    "complex batch": lambda: torch.bmm(*[square.to(torch.complex64)[None]] * 2),
    "8-bit product": lambda: torch._int_mm(
        torch.zeros(32, 64, dtype=torch.int8).cuda(), torch.zeros(64, 32, dtype=torch.int8).cuda()
    ),
}

def outcome(attempt):
    try:
        attempt()
        torch.cuda.synchronize()
        return "works"
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]

found = {"works": {name: outcome(each) for name, each in WORKS.items()}}
found["refused"] = {name: outcome(each) for name, each in REFUSED.items()}
found["afterwards"] = outcome(lambda: train(net()))
print(json.dumps(found), flush=True)
# Threads of backward may still be ending, which an interpreter that ends first turns into an abort.
os._exit(0)
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


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> Any:
    # The data parallel model shall find two devices and not eight.
    environment = variables(folder / "operations", profile(devices=2))
    return json.loads(run(WORKS, environment))


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
        assert first.communicate(timeout=60)[0] == ""
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


def test_what_a_benchmark_of_perceptrons_needs_works(outcomes: Any) -> None:
    assert {name: said for name, said in outcomes["works"].items() if said != "works"} == {}


def test_what_is_not_modelled_is_an_error_and_leaves_the_device_usable(outcomes: Any) -> None:
    assert [name for name, said in outcomes["refused"].items() if said == "works"] == []
    assert outcomes["afterwards"] == "works"
