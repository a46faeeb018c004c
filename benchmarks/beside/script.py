"""A training or inference script as users write it, with a plain loop around the step. Knows nothing of the harness.

Prints one line of JSON: microseconds a step of each block. Run by benchmarks.fidelity, a process a rank.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

BLOCK_S = 0.01


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
    options.add_argument("--blocks", type=int, default=40)
    options.add_argument("--warm-up", type=float, default=1.0, help="seconds (default 1)")
    options.add_argument("--store", help="file in which the ranks of --train meet")
    options.add_argument("--cores", type=int, nargs="+", help="cores that the main thread is pinned to")
    arguments = options.parse_args()

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if arguments.train:
        dist.init_process_group("gloo", init_method=f"file://{arguments.store}", rank=rank, world_size=ranks)
    if arguments.cores:
        os.sched_setaffinity(0, arguments.cores)

    torch.manual_seed(0)
    model: nn.Module = net(arguments.sizes)
    torch.manual_seed(rank)
    x = torch.randn(arguments.batch, arguments.sizes[0])
    y = torch.randint(arguments.sizes[-1], (arguments.batch,))
    if not arguments.train:
        model.eval()
    if arguments.script:
        model = torch.jit.script(model)
    if arguments.train:
        found = measured(training_step(model, x, y), arguments.blocks, arguments.warm_up)
        dist.destroy_process_group()
    else:
        with torch.inference_mode():
            found = measured(lambda: model(x), arguments.blocks, arguments.warm_up)
    print(json.dumps(found))


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


def measured(step: Callable[[], object], blocks: int, warm_up_s: float) -> list[float]:
    """Microseconds a step of each block, after a warm-up."""
    steps, warm, end = 1, False, time.perf_counter() + warm_up_s
    while not warm:
        taken = block(step, steps) * steps
        # One rank's clock decides for all, which have to make as many steps.
        steps, warm = agreed(max(1, round(steps * BLOCK_S / taken)), time.perf_counter() > end)
    return [block(step, steps) * 1e6 for _ in range(blocks)]


def agreed(steps: int, warm: bool) -> tuple[int, bool]:
    """What rank 0 says."""
    if not dist.is_initialized():
        return steps, warm
    said = torch.tensor([steps, int(warm)])
    dist.broadcast(said, src=0)
    return int(said[0]), bool(said[1])


def block(step: Callable[[], object], steps: int) -> float:
    """Seconds a step. Blocks follow each other as in a loop that goes on, in which each step's all-reduce keeps ranks
    together: a barrier between them would have every block begin cold."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


if __name__ == "__main__":
    main()
    # gloo's threads may still be ending, and a process that exits meanwhile is terminated now and then.
    sys.stdout.flush()
    os._exit(0)
