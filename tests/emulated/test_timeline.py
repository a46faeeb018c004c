"""Device time as events show it: devices, streams, the launch queue and graphs against what the profile says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from node import ROUND, run, variables

# What every program here begins with. At the profile's clock of 1 GHz a thousand cycles are a microsecond.
# Works are queued behind a held stream, so that their times are the device's alone; where the host was kept from
# running for so long that the hold ended first, that is seen by the start event and tried again.
PRELUDE = """
import ctypes, json, statistics, threading, time
import torch

HOLD_US = 100_000
runtime = ctypes.CDLL(None)

def sleep(us):
    torch.cuda._sleep(int(us * 1000))

def event():
    return torch.cuda.Event(enable_timing=True)

def behind_a_hold(queue):
    for _ in range(20):
        start, end = event(), event()
        sleep(HOLD_US)
        start.record()
        others = queue(start) or []
        end.record()
        in_time = not start.query()
        torch.cuda.synchronize()
        if in_time:
            return [start.elapsed_time(each) * 1000 for each in (*others, end)]
    raise AssertionError("the host is too slow to queue anything in time")

def on_device_us(queue):
    def alone(start):
        queue()
    return behind_a_hold(alone)[-1]

sleep(1)
torch.cuda.synchronize()
"""

TIMES = (
    PRELUDE
    + """
found = {}
found["hold"] = on_device_us(lambda: sleep(1234))
found["holds"] = on_device_us(lambda: [sleep(us) for us in (100, 200, 300)])

def gemms(dtype):
    a = torch.empty(1024, 1024, dtype=dtype, device="cuda")
    batch = torch.empty(4, 512, 512, dtype=dtype, device="cuda")
    bias = torch.empty(1024, dtype=dtype, device="cuda")
    for warm in (torch.mm(a, a), torch.addmm(bias, a, a), torch.bmm(batch, batch)):
        del warm
    return [
        on_device_us(lambda: torch.mm(a, a)),
        on_device_us(lambda: torch.addmm(bias, a, a)),
        on_device_us(lambda: torch.bmm(batch, batch)),
    ]

found["gemm"] = {
    str(dtype).removeprefix("torch."): gemms(dtype)
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
}
torch.backends.cuda.matmul.allow_tf32 = True
found["gemm"]["tf32"] = gemms(torch.float32)
torch.backends.cuda.matmul.allow_tf32 = False
one, wide = torch.empty(1, 4096, device="cuda"), torch.empty(4096, 4096, device="cuda")
found["memory_bound"] = on_device_us(lambda: torch.mm(one, wide))
tiny = torch.empty(4, 4, device="cuda")
found["tiny"] = on_device_us(lambda: torch.mm(tiny, tiny))

pinned = torch.empty(10_000_000, dtype=torch.uint8).pin_memory()
here = torch.empty(10_000_000, dtype=torch.uint8, device="cuda")
there = torch.empty(10_000_000, dtype=torch.uint8, device="cuda:1")
found["to_device"] = on_device_us(lambda: here.copy_(pinned, non_blocking=True))
found["to_host"] = on_device_us(lambda: pinned.copy_(here, non_blocking=True))
found["within"] = on_device_us(lambda: here.clone())

one, other = torch.cuda.Stream(), torch.cuda.Stream()

def work(stream, us, after=()):
    with torch.cuda.stream(stream):
        for each in after:
            stream.wait_event(each)
        sleep(us)
        done = event()
        done.record()
    return done

found["beside"] = behind_a_hold(lambda start: [work(one, 500, [start]), work(other, 700, [start])])

def chain(start):
    first = work(one, 300, [start])
    return [first, work(other, 200, [first])]

found["chain"] = behind_a_hold(chain)

handle = ctypes.c_void_p()
assert runtime.cudaStreamCreateWithFlags(ctypes.byref(handle), 0) == 0
blocking = torch.cuda.ExternalStream(handle.value)

def with_default(stream):
    def queue(start):
        sleep(300)
        of_stream = work(stream, 200)
        sleep(100)
        return [of_stream]
    return queue

# Of a stream that does not wait for the default one the work may end while that is held: it is ahead of `start`.
def beside_default(start):
    done = work(one, 1)
    sleep(100)
    done.synchronize()
    return []

found["blocking"] = behind_a_hold(with_default(blocking))
found["default_goes_on"] = behind_a_hold(beside_default)

done = event()
began = time.monotonic()
sleep(200_000)
done.record()
before = done.query(), torch.cuda.current_stream().query()
done.synchronize()
found["waited_s"] = time.monotonic() - began
after = done.query(), torch.cuda.current_stream().query()
found["queries"] = [*before, *after]

waits = {}
for name, wait in {
    "stream": lambda: one.synchronize(),
    "device": lambda: torch.cuda.synchronize(),
    "copy": lambda: here[:1].cpu(),
}.items():
    began = time.monotonic()
    with torch.cuda.stream(one):
        sleep(20_000)
        wait()
    waits[name] = time.monotonic() - began
found["waits_s"] = waits

began = time.monotonic()
with torch.cuda.stream(blocking):
    sleep(20_000)
torch.cuda.default_stream().synchronize()
found["default_waited_s"] = time.monotonic() - began

copied = {}
pageable = torch.empty(1_000_000, dtype=torch.uint8)
for name, bytes_, source in (
    ("pinned", 1_000_000, pinned), ("short", 65_536, pageable), ("long", 65_537, pageable)
):
    held = event()
    sleep(HOLD_US)
    held.record()
    here[:bytes_].copy_(source[:bytes_], non_blocking=True)
    copied[name] = held.query()
    torch.cuda.synchronize()
found["copied"] = copied

unrecorded, recorded = event(), event()
recorded.record()
try:
    unrecorded.elapsed_time(recorded)
    found["unrecorded"] = "no error"
except (RuntimeError, ValueError) as error:
    found["unrecorded"] = str(error)
print(json.dumps(found))
"""
)

QUEUE = (
    PRELUDE
    + """
HOLD_S = 0.5
x = torch.zeros(8, device="cuda")
other = torch.cuda.Stream()
with torch.cuda.stream(other):
    torch.zeros(8, device="cuda").add_(1)
torch.cuda.synchronize()
returned = []
began = time.monotonic()
sleep(HOLD_S * 1e6)
for launch in range(1000):
    x.add_(1)
    returned.append(time.monotonic() - began)
with torch.cuda.stream(other):
    sleep(1)
other_returned = time.monotonic() - began
for launch in range(60):
    x.add_(1)
    returned.append(time.monotonic() - began)
print(json.dumps({"hold_s": HOLD_S, "returned": returned, "other": other_returned}))
"""
)

GRAPHS = (
    PRELUDE
    + """
import os
found = {}
layers = [layer for _ in range(8) for layer in (torch.nn.Linear(512, 512), torch.nn.ReLU())]
model = torch.nn.Sequential(*layers).cuda()
x = torch.zeros(256, 512, device="cuda")

def host_us(call):
    took = []
    for _ in range(50):
        torch.cuda.synchronize()
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took)

with torch.inference_mode():
    warm = torch.cuda.Stream()
    with torch.cuda.stream(warm):
        model(x)
    model(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(x)
    torch.cuda.synchronize()
    found["eager_device"] = on_device_us(lambda: model(x))
    found["graph_device"] = on_device_us(lambda: graph.replay())
    found["graph_thrice"] = on_device_us(lambda: [graph.replay() for _ in range(3)])
    found["eager_host"] = host_us(lambda: model(x))
    found["graph_host"] = host_us(lambda: graph.replay())

forked = torch.cuda.CUDAGraph()
side = torch.cuda.Stream()
with torch.cuda.graph(forked):
    sleep(50)
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        sleep(300)
    sleep(200)
    torch.cuda.current_stream().wait_stream(side)
    sleep(100)
found["forked"] = on_device_us(lambda: forked.replay())

def refused(attempt):
    try:
        attempt()
        torch.cuda.synchronize()
        return "no error"
    except RuntimeError as error:
        return str(error).splitlines()[0]

def unjoined():
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        sleep(10)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            sleep(10)

def waiting():
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        sleep(10)
        torch.cuda.current_stream().synchronize()

def waiting_for_all():
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        sleep(10)
        torch.cuda.synchronize()

def reading():
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        x.sum().item()

found["refused"] = {each.__name__: refused(each) for each in (unjoined, waiting, waiting_for_all, reading)}
found["after_refusals"] = on_device_us(lambda: graph.replay())

net = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 8)).cuda()
graphed = torch.cuda.make_graphed_callables(net, (x,))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    graphed(x).sum().backward()
    optimizer.step()
torch.cuda.synchronize()
found["graphed_training"] = True
print(json.dumps(found), flush=True)
# Threads of backward may still be ending, which an interpreter that ends first turns into an abort.
os._exit(0)
"""
)

THREADS = (
    PRELUDE
    + """
found = {}
failures = []
barrier = threading.Barrier(8)

def issue(index):
    try:
        torch.cuda.set_device(index)
        sleep(1)
        x = torch.zeros(1024, 1024, device="cuda")
        torch.mm(x, x)
        side = torch.cuda.Stream()
        torch.cuda.synchronize()
        barrier.wait()

        def queue(start):
            for _ in range(50):
                sleep(10 * (index + 1))
            side.wait_event(start)
            with torch.cuda.stream(side):
                torch.mm(x, x)
                beside = event()
                beside.record()
            return [beside]

        found[index] = behind_a_hold(queue)
        for _ in range(200):
            x.add_(1)
            if x[0, 0].item() != 0:
                raise ValueError("a value that nobody computed")
    except BaseException as error:
        failures.append(repr(error))
        barrier.abort()

threads = [threading.Thread(target=issue, args=(index,)) for index in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
print(json.dumps(found))
"""
)

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("timeline")


def shown(code: str, folder: Path, **more: str) -> Any:
    """What a program prints, as JSON."""
    return json.loads(run(code, variables(folder, **more)))


@pytest.fixture(scope="module")
def times(folder: Path) -> Any:
    return shown(TIMES, folder)


@pytest.fixture(scope="module")
def graphs(folder: Path) -> Any:
    return shown(GRAPHS, folder)


def exactly(us: float) -> Any:
    """A modelled time: the timeline counts in whole nanoseconds, events tell milliseconds as 32-bit floats."""
    return pytest.approx(us, rel=1e-6, abs=0.002)


def gemm_us(flop: float, arithmetic: str) -> float:
    return flop / ROUND.flop_s[arithmetic] * 1e6


def test_torch_sees_the_devices_of_the_profile(folder: Path) -> None:
    seen = shown(TORCH_DEVICES, folder, CUDA_VISIBLE_DEVICES=f"{uuid(5)},{uuid(2)}")
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
    folder: Path, visible: str | None, devices: list[int]
) -> None:
    environment = variables(folder)
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    seen = json.loads(run(DEVICES, environment))
    assert [bus - 1 for bus in seen["buses"]] == devices
    assert (seen["status"] == 0) == bool(devices)


def test_a_hold_takes_its_cycles(times: Any) -> None:
    assert times["hold"] == exactly(1234)


def test_works_of_one_stream_add_up(times: Any) -> None:
    assert times["holds"] == exactly(600)


@pytest.mark.parametrize("arithmetic", ["float64", "float32", "tf32", "float16", "bfloat16"])
def test_a_large_matrix_product_runs_at_the_rate_of_its_number_format(times: Any, arithmetic: str) -> None:
    plain, with_bias, batched = times["gemm"][arithmetic]
    assert plain == exactly(gemm_us(2 * 1024**3, arithmetic))
    assert with_bias == exactly(gemm_us(2 * 1024**3, arithmetic))
    assert batched == exactly(gemm_us(4 * 2 * 512**3, arithmetic))


def test_a_narrow_matrix_product_takes_the_time_of_its_bytes(times: Any) -> None:
    assert times["memory_bound"] == exactly((4096 * 4096 + 2 * 4096) * 4 / ROUND.memory_gb_s / 1e3)


def test_no_kernel_is_shorter_than_the_shortest(times: Any) -> None:
    assert times["tiny"] == exactly(ROUND.shortest_kernel_us)


def test_copies_take_the_time_of_their_bytes(times: Any) -> None:
    assert times["to_device"] == exactly(10_000_000 / ROUND.host_copy_gb_s / 1e3)
    assert times["to_host"] == exactly(10_000_000 / ROUND.host_copy_gb_s / 1e3)
    # Read and written.
    assert times["within"] == exactly(2 * 10_000_000 / ROUND.memory_gb_s / 1e3)


def test_streams_run_beside_each_other(times: Any) -> None:
    one, other, default = times["beside"]
    assert (one, other) == (exactly(500), exactly(700))
    assert default == exactly(0)


def test_a_stream_waits_for_an_event_of_another(times: Any) -> None:
    assert times["chain"][:2] == [exactly(300), exactly(500)]


def test_a_blocking_stream_and_the_default_one_wait_for_each_other(times: Any) -> None:
    assert times["blocking"] == [exactly(500), exactly(600)]


def test_a_stream_that_does_not_block_runs_while_the_default_one_is_held(times: Any) -> None:
    # It was waited for before the hold had ended: the start event had not come.
    assert times["default_goes_on"] == [exactly(100)]


def test_a_query_tells_whether_the_work_is_done(times: Any) -> None:
    assert times["queries"] == [False, False, True, True]


def test_synchronising_waits_for_the_device(times: Any) -> None:
    assert times["waited_s"] >= 0.2
    assert all(waited >= 0.02 for waited in times["waits_s"].values()), times["waits_s"]


def test_the_default_stream_is_done_when_blocking_ones_are(times: Any) -> None:
    assert times["default_waited_s"] >= 0.02


def test_only_long_copies_from_pageable_memory_wait_for_the_stream(times: Any) -> None:
    assert times["copied"] == {"pinned": False, "short": False, "long": True}


def test_an_event_that_was_not_recorded_has_no_time(times: Any) -> None:
    assert times["unrecorded"] != "no error"


def test_the_launch_queue_holds_about_a_thousand(folder: Path) -> None:
    seen = shown(QUEUE, folder)
    hold, returned = seen["hold_s"], seen["returned"]
    assert returned[999] < hold / 2
    # A stream has a queue of its own.
    assert seen["other"] < hold / 2
    # The hold itself was the first of 1,024.
    assert returned[1022] < hold <= returned[1023]


def test_a_replayed_graph_takes_the_device_as_long_as_its_works(graphs: Any) -> None:
    assert graphs["graph_device"] == exactly(graphs["eager_device"])
    assert graphs["graph_thrice"] == exactly(3 * graphs["eager_device"])


def test_a_replayed_graph_costs_the_host_one_launch(graphs: Any) -> None:
    # Eager issues 16 kernels; a replay spends one launch and the interpreter's call.
    assert graphs["graph_host"] >= ROUND.launch_host_us
    assert graphs["graph_host"] < graphs["eager_host"] / 4


def test_a_forked_capture_takes_its_longest_chain(graphs: Any) -> None:
    assert graphs["forked"] == exactly(50 + 300 + 100)


def test_what_cannot_be_captured_is_refused_and_leaves_the_device_usable(graphs: Any) -> None:
    for attempt, said in graphs["refused"].items():
        assert "CUDA error" in said, (attempt, said)
    assert graphs["after_refusals"] == exactly(graphs["eager_device"])


def test_graphed_callables_train(graphs: Any) -> None:
    assert graphs["graphed_training"]


def test_threads_issue_to_a_device_each(folder: Path) -> None:
    seen = shown(THREADS, folder)
    assert len(seen) == 8
    for index, (beside, end) in seen.items():
        assert beside == exactly(gemm_us(2 * 1024**3, "float32"))
        assert end == exactly(50 * 10 * (int(index) + 1))
