"""What does the sampler cost the steps it watches, and how much of a core does it take?

Ranks step on an emulated node of eight devices, all of them busy, while the node's one sampler is halted and
let go on in turn (SIGSTOP, SIGCONT), in random order: each pair of slices gives a ratio of step times, so that
drift meets both. Run: python -m benchmarks.sampler_cost
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import parser, save, verdict
from emulator.__main__ import load_profile
from emulator.environment import node_variables
from harness.core.cpu import usable_cores
from harness.core.processes.children import path_variables, python_module
from harness.core.stats.intervals import median_interval
from harness.monitor import Sampler, start
from harness.plan.config import Config, MonitorConfig
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan

DIFFERENCE, CORE_SHARE = 0.01, 0.02
DEVICES, BLOCK_NS = 8, 15e6


def main() -> int:
    """Answers the exit status: 0 if both limits are met."""
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=150, help="pairs of slices for each number of ranks")
    options.add_argument("--slice", type=float, default=0.15, help="seconds of stepping in a slice")
    options.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    options.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.worker:
        return _worker(int(arguments.worker), arguments.slice)
    rows = [_measured(ranks, arguments.pairs, arguments.slice) for ranks in arguments.ranks]
    save(rows, arguments.out, "sampler_cost")
    met = []
    for row in rows:
        name = f"steps of {row['ranks']} rank(s) with the sampler on, against off:"
        met.append(verdict(f"{name} difference", abs(row["on_over_off"] - 1) * 100, DIFFERENCE * 100, " %"))
        met.append(
            verdict("  the sampler's share of a core", row["core_share"] * 100, CORE_SHARE * 100, " %")
        )
    return 0 if all(met) else 1


def _measured(ranks: int, pairs: int, slice_s: float) -> dict[str, Any]:
    """Ratios of step times over all pairs, and what the sampler took, with so many ranks at a time."""
    order = random.Random(ranks)
    with tempfile.TemporaryDirectory(prefix="sampler-cost-") as folder:
        node = node_variables(load_profile("v100x8"), Path(folder))
        workers = [_started(rank, slice_s, node) for rank in range(ranks)]
        for worker in workers:
            _heard(worker)
        with start(Path(folder), MonitorConfig(), node) as sampler:
            _halt(sampler, True)
            ratios = []
            for _ in range(pairs):
                took = {}
                for on in order.sample([True, False], 2):
                    _halt(sampler, not on)
                    took[on] = _slice(workers)
                ratios.append(took[True] / took[False])
            _halt(sampler, False)
        for worker in workers:
            worker.communicate()
        lines = [json.loads(line) for line in sampler.out.read_text(encoding="utf-8").splitlines()]
    end = lines[-1]
    interval = median_interval(ratios)
    return {
        "ranks": ranks,
        "cores": usable_cores(),
        "pairs": pairs,
        "on_over_off": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "samples": end["samples"],
        # While it is halted it takes none: a sample's share of the time between two of them.
        "core_share": end["cpu_s"] / end["samples"] * lines[0]["hz"],
    }


def _halt(sampler: Sampler, off: bool) -> None:
    if sampler.pid is None:
        raise SystemExit(f"the sampler does not run: {sampler.why}")
    os.kill(sampler.pid, signal.SIGSTOP if off else signal.SIGCONT)
    time.sleep(0.02)  # the first tick after a halt is due at once


def _slice(workers: list[subprocess.Popen[str]]) -> float:
    """Nanoseconds a step of the slowest rank, while all of them step."""
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    return max(_heard(worker) for worker in workers)


def _heard(worker: subprocess.Popen[str]) -> float:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise SystemExit("a rank has ended")
    return float(line)


def _started(rank: int, slice_s: float, node: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*python_module("benchmarks.sampler_cost"), "--worker", str(rank), "--slice", str(slice_s)],
        env={**os.environ, **node, **path_variables(), "RANK": str(rank), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )


def _worker(rank: int, slice_s: float) -> int:
    """A rank: for each line it hears, steps for a slice and prints the nanoseconds of a step, by its blocks' median."""
    from harness.devices.opening import open_device
    from harness.modes import get_mode
    from harness.timing.blocks import time_block
    from harness.timing.warm_up import WarmUp
    from harness.workloads.workload import WORKLOADS

    # The other devices of the node are held all along, so that there is something to see on each.
    others = [
        open_device("emulated", number) for number in range(DEVICES) if number % 2 == rank % 2 and number > 1
    ]
    device = open_device("emulated", rank)
    config = Config(depth=[16], width=[64], batch=[1], devices=[1], mode=["eager"])
    (point,) = make_plan(config, Inventory("cpu", 1, "", 1)).points
    workload = WORKLOADS[point.workload](point, device, shard=0, seed=0)
    with device.active(), workload.context():
        step = workload.built(get_mode(point.mode))
        warm_up, steps = WarmUp(BLOCK_NS, 2e9), 1
        while more := warm_up.next_steps(time_block(step.call, steps, device.wait).wall_ns):
            steps = more
        print(0, flush=True)
        for _ in sys.stdin:
            for other in others:
                with other.active():
                    other.gate(slice_s * 1e9).close()
            blocks, until = [], time.monotonic() + slice_s
            while time.monotonic() < until:
                blocks.append(time_block(step.call, steps, device.wait).wall_ns / steps)
            print(statistics.median(blocks), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
