"""Collectives between ranks: what they move, when they begin and end, what waiting for them costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node import LATENCY_US, ROUND, variables
from programs import facts_of_ranks

from emulator.ledger import KINDS, Records, read_trace

# Ranks 0 and 1 are one group of their own, 2 and 3 another.
VALUES = """
def numbers(*values, dtype=torch.int64): return torch.tensor(values, dtype=dtype, device="cuda")
mine = rank + 1
for dtype in (torch.int32, torch.int64, torch.float32, torch.float64):
    for name in ("SUM", "MAX", "MIN", "PRODUCT"):
        x = numbers(mine, 10 * mine, dtype=dtype)
        dist.all_reduce(x, op=getattr(dist.ReduceOp, name))
        found[f"all_reduce {name} {str(dtype)[6:]}"] = x.tolist()
x = numbers(mine, dtype=torch.float32); dist.all_reduce(x, op=dist.ReduceOp.AVG); found["average"] = x.tolist()
x = numbers(mine, 7); dist.broadcast(x, src=2); found["broadcast"] = x.tolist()
many = [torch.zeros(2, dtype=torch.int64, device="cuda") for _ in range(world)]
dist.all_gather(many, numbers(mine, -mine)); found["all_gather"] = [x.tolist() for x in many]
x = torch.zeros(1, dtype=torch.int64, device="cuda")
dist.reduce_scatter_tensor(x, numbers(*(100 * mine + each for each in range(world))))
found["reduce_scatter"] = x.tolist()
x = numbers(mine); dist.reduce(x, dst=3); found["reduce"] = x.tolist()
groups = [dist.new_group([0, 1]), dist.new_group([2, 3])]
x = numbers(mine); dist.all_reduce(x, group=groups[rank // 2]); found["group"] = x.tolist()
half = dist.split_group(split_ranks=[[0, 2], [1, 3]])
x = numbers(mine); dist.all_reduce(x, group=half); found["split"] = x.tolist()
big = torch.ones(1 << 20, device="cuda")
dist.all_reduce(big); found["large"] = big[:2].tolist()
for _ in range(50):
    x = numbers(mine); dist.all_reduce(x)
    assert x.item() == 10, x
found["point_to_point"] = attempt(lambda: dist.send(x, 1) if rank == 0 else dist.recv(x, 0) if rank == 1 else None)
"""

TIMES = """
x = torch.zeros(1 << 20, device="cuda")  # 4 MiB
dist.all_reduce(x)
together()

# All have come: only the collective's own time. Two more are queued behind it.
def span(work):
    start, end = event(), event()
    hold(100); dist.all_reduce(x); start.record(); work(); end.record(); end.synchronize()
    return start.elapsed_time(end) * 1e3
found["all_reduce_us"] = span(lambda: dist.all_reduce(x))
together()
found["three_us"] = span(lambda: [dist.all_reduce(x) for _ in range(3)])
parts = torch.zeros(world << 20, device="cuda")
together()
found["all_gather_us"] = span(lambda: dist.all_gather_into_tensor(parts, x))
together()
found["reduce_scatter_us"] = span(lambda: dist.reduce_scatter_tensor(x, parts))
together()
found["broadcast_us"] = span(lambda: dist.broadcast(x, src=0))
together()

# Rank 1 comes late: its device is held.
start, end = event(), event()
if rank == 1: hold(1000)
start.record(); dist.all_reduce(x); end.record()
cpu, wall = time.process_time(), time.monotonic()
end.synchronize()
found["waited_s"] = time.monotonic() - wall
found["waiting_cpu_s"] = time.process_time() - cpu
found["late_ms"] = start.elapsed_time(end)
together()

# The host goes on while a collective waits, and so does another stream.
work = dist.all_reduce(x, async_op=True)
if rank == 1: hold(1)
found["asynchronous"] = hasattr(work, "wait")
work.wait()
together()

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256)).cuda()
trained = torch.nn.parallel.DistributedDataParallel(model, device_ids=[rank], bucket_cap_mb=0.1)
optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
data = torch.zeros(32, 256, device="cuda")
def step():
    optimizer.zero_grad(set_to_none=False)
    trained(data).sum().backward()
    optimizer.step()
for _ in range(5): step()
torch.cuda.synchronize()
found["trained"] = True

graph = torch.cuda.CUDAGraph()
together()
y = torch.zeros(8, device="cuda")
with torch.cuda.graph(graph):
    y.add_(1); hold(2); dist.all_reduce(x); hold(3)
together()
def replayed():
    start, end = event(), event()
    hold(100); graph.replay(); start.record(); graph.replay(); end.record(); end.synchronize()
    return start.elapsed_time(end) * 1e3
found["graph_us"] = replayed()
together()

# In a capture, a collective beside other work: the longer of the two counts.
side = torch.cuda.Stream()
beside = torch.cuda.CUDAGraph()
with torch.cuda.graph(beside):
    here = torch.cuda.current_stream()
    side.wait_stream(here)
    with torch.cuda.stream(side): dist.all_reduce(x)
    hold(5)
    here.wait_stream(side)
graph = beside
found["beside_us"] = replayed()
together()
"""


def environments(folder: Path, ranks: int, **more: str) -> list[dict[str, str]]:
    return [variables(folder, **more) for _ in range(ranks)]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("values")
    return facts_of_ranks(VALUES, environments(folder, 4), folder)


@pytest.fixture(scope="module")
def trace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace")


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory, trace_folder: Path) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("times")
    return facts_of_ranks(TIMES, environments(folder, 2, EMULATOR_TRACE=str(trace_folder)), folder)


@pytest.fixture(scope="module")
def collectives(times: list[dict[str, Any]], trace_folder: Path) -> list[Records]:
    """The ledger's collectives of each rank, in their order."""
    records = read_trace(trace_folder)
    kind = KINDS.index("collective")
    return [records[(records["kind"] == kind) & (records["device"] == rank)] for rank in range(2)]


def all_reduce_us(bytes_moved: int, ranks: int) -> float:
    """Latency, and 2 (n - 1) / n of the bytes over each link."""
    return LATENCY_US + 2 * (ranks - 1) / ranks * bytes_moved / (ROUND.link_gb_s * 1e3)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
def test_a_few_numbers_are_reduced_for_real(values: list[dict[str, Any]], dtype: str) -> None:
    expected = {"SUM": [10, 100], "MAX": [4, 40], "MIN": [1, 10], "PRODUCT": [24, 240_000]}
    for name, result in expected.items():
        assert [found[f"all_reduce {name} {dtype}"] for found in values] == [result] * 4


def test_an_average_is_one(values: list[dict[str, Any]]) -> None:
    assert [found["average"] for found in values] == [[2.5]] * 4


def test_a_broadcast_brings_the_roots_numbers(values: list[dict[str, Any]]) -> None:
    assert [found["broadcast"] for found in values] == [[3, 7]] * 4


def test_a_gathering_brings_all_ranks_numbers(values: list[dict[str, Any]]) -> None:
    assert [found["all_gather"] for found in values] == [[[1, -1], [2, -2], [3, -3], [4, -4]]] * 4


def test_a_reduction_is_scattered_or_left_with_its_root(values: list[dict[str, Any]]) -> None:
    assert [found["reduce_scatter"] for found in values] == [[1000 + 4 * rank] for rank in range(4)]
    assert values[3]["reduce"] == [10]


def test_groups_reduce_among_themselves(values: list[dict[str, Any]]) -> None:
    assert [found["group"] for found in values] == [[3], [3], [7], [7]]
    assert [found["split"] for found in values] == [[4], [6], [4], [6]]


def test_many_floating_point_numbers_read_as_zeros(values: list[dict[str, Any]]) -> None:
    assert [found["large"] for found in values] == [[0, 0]] * 4


def test_what_is_not_modelled_is_refused(values: list[dict[str, Any]]) -> None:
    for found in values[:2]:
        assert "not supported by the emulated node" in found["point_to_point"]


def test_collectives_take_the_time_of_their_bytes(times: list[dict[str, Any]]) -> None:
    size, link = 4 << 20, ROUND.link_gb_s * 1e3
    for found in times:
        assert found["all_reduce_us"] == pytest.approx(all_reduce_us(size, 2), abs=0.01)
        assert found["three_us"] == pytest.approx(3 * all_reduce_us(size, 2), abs=0.01)
        # Each rank has one half of what is gathered.
        assert found["all_gather_us"] == pytest.approx(LATENCY_US + size / link, abs=0.01)
        assert found["reduce_scatter_us"] == pytest.approx(LATENCY_US + size / link, abs=0.01)
        assert found["broadcast_us"] == pytest.approx(LATENCY_US + size / link, abs=0.01)


def test_a_collective_begins_when_the_last_rank_has_come(collectives: list[Records]) -> None:
    one, other = collectives
    assert len(one) == len(other) > 10
    assert (one["end"] == other["end"]).all()
    took = (one["end"] - np.maximum(one["start"], other["start"])).astype(np.int64)
    assert took.min() >= LATENCY_US * 1e3
    # The first is the one of 4 MiB; of all it is one of the longest.
    assert took.max() == pytest.approx(all_reduce_us(4 << 20, 2) * 1e3, abs=2)


def test_who_waits_for_a_late_rank_is_busy_but_burns_no_core(times: list[dict[str, Any]]) -> None:
    waiting, late = times
    assert waiting["late_ms"] > 100 * late["late_ms"]
    assert late["late_ms"] == pytest.approx(all_reduce_us(4 << 20, 2) / 1e3, abs=0.05)
    assert waiting["waiting_cpu_s"] < 0.05 * waiting["waited_s"]


def test_ddp_trains(times: list[dict[str, Any]]) -> None:
    assert all(found["trained"] for found in times)


def test_a_captured_collective_meets_anew_at_every_replay(times: list[dict[str, Any]]) -> None:
    kernel = ROUND.shortest_kernel_us
    for found in times:
        assert found["graph_us"] == pytest.approx(kernel + 2000 + all_reduce_us(4 << 20, 2) + 3000, abs=10)


def test_a_captured_collective_runs_beside_other_work(times: list[dict[str, Any]]) -> None:
    for found in times:
        assert found["beside_us"] == pytest.approx(5000, abs=10)
