"""Do two runs of one sweep find the same speed-ups?

Three runs of the sweep, and beside each the same ratios taken with torch.utils.benchmark.Timer point
after point, as a script without interleaving would take them. For any two runs the relative difference
of each speed-up is taken. Run: python -m benchmarks.repeatability
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch.utils.benchmark import Timer

from benchmarks.common import parser, points, prepared_step, save, verdict
from harness.analysis.run import load_run
from harness.core.processes.children import python_module

DEPTH, BATCH, MODE = (4, 16, 64), (1, 16, 256, 1024), ("eager", "script", "trace")
RUNS = 3
MEDIAN_LIMIT, NINETIETH_LIMIT = 0.02, 0.05
# Timer's seconds for a point: as long as the harness measures one, 40 blocks of 10 ms.
TIMER_SECONDS = 0.4

Speedups = dict[tuple[int, int, str], float]


def main() -> int:
    """Answers the exit status: 0 if both limits are met."""
    options = parser(__doc__)
    options.add_argument("--timing", default="normal", help="conf/timing to use (default normal)")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    ours: list[Speedups] = []
    theirs: list[Speedups] = []
    for _ in range(RUNS):
        ours.append(_harness(arguments.timing))
        theirs.append(_timer())
    rows = []
    for method, runs in (("harness", ours), ("Timer", theirs)):
        for (i, one), (j, other) in combinations(enumerate(runs), 2):
            for (depth, batch, mode), value in one.items():
                again = other[depth, batch, mode]
                rows.append(
                    {
                        "method": method,
                        "runs": f"{i + 1}-{j + 1}",
                        "depth": depth,
                        "batch": batch,
                        "mode": mode,
                        "speedup": value,
                        "again": again,
                        "difference": abs(again / value - 1),
                    }
                )
    table = save(rows, arguments.out, "repeatability")
    by_method = table.groupby("method")["difference"]
    print(by_method.describe(percentiles=[0.5, 0.9]).to_string(float_format=lambda v: f"{v:.3g}"))
    median, ninetieth = (float(by_method.quantile(q)["harness"]) for q in (0.5, 0.9))
    met = verdict("median difference between runs", median * 100, MEDIAN_LIMIT * 100, " %")
    return 0 if verdict("90th percentile", ninetieth * 100, NINETIETH_LIMIT * 100, " %") and met else 1


def _harness(timing: str) -> Speedups:
    """Speed-ups of one run of the sweep, by depth, batch and mode."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        overrides = [f"depth={list(DEPTH)}", f"batch={list(BATCH)}", f"mode={list(MODE)}"]
        overrides += ["width=[64]", "devices=[1]", "device=cpu", f"timing={timing}", f"out={run}"]
        command = [*python_module("harness.commands.cli"), "sweep", *(o.replace(" ", "") for o in overrides)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        table = load_run(run).points
    measured = table[(table["status"] == "ok") & (table["mode"] != "eager")]
    return {(r.depth, r.batch, r.mode): r.speedup_vs_eager for r in measured.itertuples()}


def _timer() -> Speedups:
    """The same ratios, one point after the other."""
    seconds: dict[tuple[int, int, str], float] = {}
    for point in points(DEPTH, BATCH, MODE):
        workload, step = prepared_step(point)
        with workload.context():
            timer = Timer("step()", globals={"step": step.call}, num_threads=1)
            measurement: Any = timer.blocked_autorange(min_run_time=TIMER_SECONDS)
        seconds[point.depth or 0, point.batch, point.mode] = measurement.median
    return {
        (depth, batch, mode): seconds[depth, batch, "eager"] / value
        for (depth, batch, mode), value in seconds.items()
        if mode != "eager"
    }


if __name__ == "__main__":
    sys.exit(main())
