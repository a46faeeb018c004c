"""CUDA graphs: how long they take device and host, and what cannot be captured."""

from __future__ import annotations

from typing import Any

import pytest
from held import PRELUDE, exactly, shown
from node import ROUND

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


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return shown(GRAPHS, tmp_path_factory.mktemp("graphs"))


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
