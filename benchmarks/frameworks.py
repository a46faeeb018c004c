"""Does a driver report what a plain script of the same framework finds, in the same Python?

For each environment that is made, and each mode of its framework: a driver and a plain script (beside/frameworks/),
both in fresh processes under the same variables and cores, take turns with blocks of as many steps, in an order that is
drawn; only one of the two works at a time. So, a few times: a ratio is the median over blocks, then over processes.
Run: python -m benchmarks.frameworks [ENVIRONMENT ...]; of environments of torch as well as of other frameworks.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.common import parser, save, verdict
from harness.core.cpu import allowed_cores
from harness.environments.document import Environment, named_environment
from harness.environments.driving.process import Driver
from harness.environments.driving.task import DriverError, Task
from harness.environments.driving.variables import variables_of
from harness.environments.frameworks import framework_of
from harness.environments.interpreter import Interpreter, NotReady, ready

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(__file__).parent / "beside" / "frameworks"
KNOWN = ("here", "tensorflow", "keras", "jax", "pytensor", "mxnet", "chainer", "cntk")
# What no plain script has: torch.fx' graph is called as the harness calls it.
WITHOUT_SCRIPT = {("torch", "symbolic")}
LIMIT_PERCENT = 3.0
BLOCK_NS, WARM_UP_S, LEAD_NS = 20e6, 1.0, 5e6


class Script:
    """A plain script in a process of its own, which ends with its input."""

    def __init__(self, interpreter: Interpreter, mode: str, task: Task, cores: Sequence[int]) -> None:
        """Started, and ready. Raises RuntimeError where it ended."""
        framework = interpreter.environment.framework
        words = [str(interpreter.python), str(SCRIPTS / f"in_{framework}.py"), "--mode", mode]
        words += ["--sizes", *map(str, task.sizes), "--batch", str(task.batch)]
        variables = {**variables_of(interpreter.environment, 1)}
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), str(ROOT)]))
        self._process = subprocess.Popen(
            words,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self._said()

    def step_ns(self, steps: int, lead: int) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{lead} {steps}\n")
        self._process.stdin.flush()
        return float(self._said()) * 1e3

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the plain script ended: {self._process.wait()}")
        return line

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Measure, print, exit 1 if the limit is missed."""
    options = parser(__doc__)
    options.add_argument("environments", nargs="*", default=list(KNOWN), metavar="ENVIRONMENT")
    options.add_argument("--sizes", type=int, nargs="+", default=[512, 256, 128, 2])
    options.add_argument("--batch", type=int, default=1)
    options.add_argument("--processes", type=int, default=5, help="pairs of fresh processes (default 5)")
    options.add_argument("--blocks", type=int, default=40, help="of each, in a pair (default 40)")
    options.add_argument("--modes", nargs="+", default=[], help="those alone")
    given = options.parse_args()
    rows = []
    for name in given.environments:
        try:
            interpreter = ready(named_environment(name))
        except NotReady as error:
            print(f"left out: {error}")
            continue
        rows += list(_rows(interpreter, given))
    if not rows:
        raise SystemExit("nothing was measured")
    save(rows, given.out, "frameworks")
    # All of them, whether they are printed or not.
    met = [
        verdict(
            f"{row['environment']} {row['mode']}: median difference",
            abs(row["over_script"] - 1) * 100,
            LIMIT_PERCENT,
            " %",
        )
        for row in rows
    ]
    raise SystemExit(0 if all(met) else 1)


def _rows(interpreter: Interpreter, given: Any) -> Iterator[dict[str, Any]]:
    framework = framework_of(interpreter.environment.framework)
    for mode in framework.modes:
        if (framework.name, mode) in WITHOUT_SCRIPT or (given.modes and mode not in given.modes):
            continue
        task = task_of(interpreter.environment, mode, given.sizes, given.batch)
        try:
            pairs = [pair(interpreter, task, given.blocks, seed) for seed in range(given.processes)]
        except (DriverError, RuntimeError) as error:
            print(f"left out: {interpreter.environment.name} {mode}: {error}")
            continue
        ratios = [ratio for _, _, ratio in pairs]
        yield {
            "environment": interpreter.environment.name,
            "framework": framework.name,
            "mode": mode,
            "driver_s_per_1000": statistics.median(driver for driver, _, _ in pairs) / 1e6,
            "script_s_per_1000": statistics.median(script for _, script, _ in pairs) / 1e6,
            "over_script": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "processes": len(pairs),
        }


def task_of(environment: Environment, mode: str, sizes: Sequence[int], batch: int) -> Task:
    return Task(environment.framework, mode, "forward", tuple(sizes), batch, "float32", "inference", 0)


def pair(interpreter: Interpreter, task: Task, blocks: int, seed: int) -> tuple[float, float, float]:
    """Nanoseconds a step by the driver and by the script, and the first over the second: medians over their blocks, in
    processes that are started for this, in an order that is drawn. Raises DriverError or RuntimeError."""
    # As a rank that is alone has: all that this process may use. Some frameworks compute on a thread of their own.
    drawn, cores = random.Random(seed), allowed_cores()
    with closing(Driver(interpreter, threads=1, cores=cores)) as driver:
        driver.prepare(task)
        steps = driver.warm(BLOCK_NS, WARM_UP_S)
        with closing(Script(interpreter, task.mode, task, cores)) as script:
            # As long as a driver's warm-up at the least.
            for _ in range(round(WARM_UP_S / (BLOCK_NS / 1e9))):
                script.step_ns(steps, 0)
            lead = max(1, round(steps * LEAD_NS / BLOCK_NS))
            found: list[tuple[float, float]] = []
            for _ in range(blocks):
                if drawn.random() < 0.5:
                    ours = driver.block(steps, lead) / steps
                    found.append((ours, script.step_ns(steps, lead)))
                else:
                    theirs = script.step_ns(steps, lead)
                    found.append((driver.block(steps, lead) / steps, theirs))
    ours, theirs = (statistics.median(values) for values in zip(*found, strict=True))
    return ours, theirs, statistics.median(a / b for a, b in found)


if __name__ == "__main__":
    main()
