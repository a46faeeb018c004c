"""A training or inference script as users write it, with a plain loop around the step. Knows nothing of the harness.

Once the model is built it says "ready". Then, for each line of standard input, "<untimed steps> <timed steps>", it
prints the microseconds a timed step took, until the input ends: so that it can take turns with what it is held against.
Run by benchmarks.beside.turns, a process a rank.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

READY = "ready"


def net(sizes: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, as a textbook has them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", required=True)
    options.add_argument("--batch", type=int, required=True)
    options.add_argument("--script", action="store_true", help="torch.jit.script the model")
    options.add_argument("--train", action="store_true")
    options.add_argument("--ranks", type=int, default=1)
    options.add_argument("--rank", type=int, default=0)
    options.add_argument("--store", help="file in which the ranks of --train meet")
    options.add_argument("--cores", type=int, nargs="+", help="cores that the main thread is pinned to")
    arguments = options.parse_args()

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if arguments.train:
        init = f"file://{arguments.store}"
        dist.init_process_group("gloo", init_method=init, rank=arguments.rank, world_size=arguments.ranks)
    if arguments.cores:
        os.sched_setaffinity(0, arguments.cores)

    torch.manual_seed(0)
    model: nn.Module = net(arguments.sizes)
    torch.manual_seed(arguments.rank)
    x = torch.randn(arguments.batch, arguments.sizes[0])
    y = torch.randint(arguments.sizes[-1], (arguments.batch,))
    if not arguments.train:
        model.eval()
    if arguments.script:
        model = torch.jit.script(model)
    if arguments.train:
        serve(training_step(model, x, y), sys.stdin)
    else:
        with torch.inference_mode():
            serve(lambda: model(x), sys.stdin)


def training_step(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Callable[[], object]:
    """Forward, backward with all-reduce, and an optimizer step."""
    replica = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(replica.parameters(), lr=1e-4)

    def step() -> object:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(replica(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    return step


def serve(step: Callable[[], object], asked: Iterable[str]) -> None:
    """A block for each line, as in a loop that goes on: steps that are not timed lead into those that are."""
    print(READY, flush=True)
    for line in asked:
        lead, steps = map(int, line.split())
        block(step, lead)
        print(block(step, steps) * 1e6, flush=True)


def block(step: Callable[[], object], steps: int) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


if __name__ == "__main__":
    main()
    # gloo's threads may still be ending, and a process that exits meanwhile is terminated now and then.
    sys.stdout.flush()
    os._exit(0)
