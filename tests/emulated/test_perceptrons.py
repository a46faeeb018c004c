"""What a benchmark of multilayer perceptrons needs of PyTorch works, and what has no known time is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from node import profile, run, variables

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
    "recurrent": lambda: [
        kind(64, 16, layers, bidirectional=both).cuda()(x.view(2, -1, 64))[0].sum().backward()
        for kind in (nn.LSTM, nn.GRU, nn.RNN)
        for layers, both in ((1, False), (2, True))
    ],
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
    "projections": lambda: nn.LSTM(8, 8, proj_size=4).cuda()(square.view(8, 1, 8)),
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
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # The data parallel model shall find two devices and not eight.
    environment = variables(tmp_path_factory.mktemp("operations"), profile(devices=2))
    return json.loads(run(WORKS, environment))


def test_what_a_benchmark_of_perceptrons_needs_works(outcomes: Any) -> None:
    assert {name: said for name, said in outcomes["works"].items() if said != "works"} == {}


def test_what_is_not_modelled_is_an_error_and_leaves_the_device_usable(outcomes: Any) -> None:
    assert [name for name, said in outcomes["refused"].items() if said == "works"] == []
    assert outcomes["afterwards"] == "works"
