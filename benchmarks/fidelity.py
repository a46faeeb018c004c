"""Does the harness's clock agree with torch.utils.benchmark.Timer, and what does its loop cost?

Both time the same callable, block by block in turn in one process, so that the machine's drift meets
both. Run: python -m benchmarks.fidelity
"""

from __future__ import annotations

import random
import statistics
import sys

import torch
from torch.utils.benchmark import Timer

from benchmarks.common import parser, points, prepared_step, save, verdict
from harness.core.stats import median_interval
from harness.timing.blocks import time_block
from harness.timing.warm_up import WarmUp

BLOCK_NS = 10e6
AGREEMENT = 0.03
EMPTY_STEP_US = 0.2


def main() -> int:
    """Answers the exit status: 0 if both limits are met."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=60)
    arguments = options.parse_args()
    torch.set_num_threads(1)
    rows = []
    for point in points(depth=(4, 16, 64), batch=(1, 64, 1024), mode=("eager", "script")):
        workload, step = prepared_step(point)
        timer = Timer("step()", globals={"step": step.call}, num_threads=1)
        with workload.context():
            warm_up, steps = WarmUp(BLOCK_NS, 2e9), 1
            while more := warm_up.next_steps(time_block(step.call, steps, _no_wait).wall_ns):
                steps = more
            ratios = [_round(step.call, steps, timer, number) for number in range(arguments.rounds)]
        interval = median_interval(ratios)
        rows.append(
            {
                "model": point.model,
                "batch": point.batch,
                "mode": point.mode,
                "steps": steps,
                "harness_over_timer": interval.median,
                "low": interval.low,
                "high": interval.high,
            }
        )
    table = save(rows, arguments.out, "fidelity")
    empty_us = statistics.median(time_block(_no_wait, 100_000, _no_wait).wall_ns / 1e8 for _ in range(15))
    off = (table["harness_over_timer"] - 1).abs().median()
    agreed = verdict("median difference from Timer", off * 100, AGREEMENT * 100, " %")
    return 0 if verdict("empty step", empty_us, EMPTY_STEP_US, " us") and agreed else 1


def _round(call, steps: int, timer: Timer, number: int) -> float:  # type: ignore[no-untyped-def]
    """Harness over Timer, one block of each, in random order."""
    harness_first = random.Random(number).random() < 0.5
    if harness_first:
        ours = time_block(call, steps, _no_wait).wall_ns / steps
    theirs = timer.timeit(steps).mean * 1e9
    if not harness_first:
        ours = time_block(call, steps, _no_wait).wall_ns / steps
    return float(ours / theirs)


def _no_wait() -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
