"""Kernels of the GPU at hand under torch.profiler: a trace with sizes, for `harness trace --calibrate`.

In: a folder. Out: the path of a trace. Must not know profiles.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

PRODUCTS, REPEATS, SEED = 160, 5, 17
# Sizes are powers of two and what lies between, from what is launch-bound to what fills the device.
LEAST, MOST = 4, 13
MOST_FLOP = 2e12
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
ELEMENTS = tuple(2**power for power in range(8, 27, 2))


def record(folder: Path) -> Path:
    """Run kernels of many shapes and write what the profiler saw of them. Raises RuntimeError where it saw none."""
    from torch.profiler import ProfilerActivity, profile

    for run in _works():  # libraries load what they need, and choose
        run()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], record_shapes=True) as seen:
        for run in _works():
            for _ in range(REPEATS):
                run()
            torch.cuda.synchronize()
    path = folder / "kernels.json.gz"
    seen.export_chrome_trace(str(path))
    if not any(event.device_type.name == "CUDA" for event in seen.events()):
        raise RuntimeError("the profiler saw no kernel: may this user read performance counters?")
    return path


def _works() -> Iterator[Callable[[], object]]:
    draw = random.Random(SEED)
    for number in range(PRODUCTS):
        dtype = DTYPES[number % len(DTYPES)]
        m, n, k = (_size(draw) for _ in range(3))
        if 2.0 * m * n * k > MOST_FLOP:
            continue
        left, right = (torch.zeros(a, b, dtype=dtype, device="cuda") for a, b in ((m, k), (k, n)))
        yield lambda left=left, right=right: left @ right  # type: ignore[misc]
    for elements in ELEMENTS:
        x = torch.zeros(elements, device="cuda")
        rows = x.view(-1, min(elements, 256))
        weight = torch.nn.Parameter(torch.zeros(elements, device="cuda"))
        weight.grad = torch.zeros_like(weight)
        update = torch.optim.SGD([weight], lr=0.1, foreach=True)
        yield from (
            *(x.relu, x.tanh, lambda x=x: x + x, lambda x=x: x.fill_(1.0), x.clone),
            *(x.sum, lambda rows=rows: rows.sum(0), lambda rows=rows: rows.softmax(1)),
            lambda rows=rows: torch.nn.functional.layer_norm(rows, rows.shape[1:]),
            update.step,
        )  # type: ignore[misc]


def _size(draw: random.Random) -> int:
    size = 2.0 ** draw.uniform(LEAST, MOST)
    return int(size) if draw.random() < 0.3 else max(8, int(size) // 8 * 8)
