"""One long block of every mode, which no figure of time comes from: it is there to be sampled.

In: modes whose step times are known. Out: a `window` record of each. Must not know who samples, nor what.
"""

from __future__ import annotations

import math
from functools import partial

from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.rounds import Interleaved


def run_steadily(
    cell_id: str, bench: Bench, agreement: Agreement, rounds: Interleaved, done: frozenset[str] = frozenset()
) -> None:
    """Run each mode for bench.window_s seconds, but for those whose keys are done. Collective.

    What samplers read is an average over some tenth of a second, and no point's block lasts that long.
    """
    for name, mode in rounds.modes.items():
        if mode.null or mode.key in done:
            continue
        # Of times that all ranks know: they make as many steps.
        steps = math.ceil(bench.window_s * 1e6 / rounds.measured.step_us(name))
        bench.ranks.barrier()
        block = agreement.agree((mode.point,), partial(mode.timer, steps, False))
        if block is None:
            continue
        bench.busy_ns += block.wall_ns
        bench.writer.write(
            "window",
            cell=cell_id,
            key=mode.point.key,
            start_ns=block.start_ns,
            end_ns=block.end_ns,
            steps=steps,
        )
