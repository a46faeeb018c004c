"""The harness as a site's regression test, under ReFrame (https://reframe-hpc.readthedocs.io, pip install reframe-hpc):

    reframe -C SITE.py -c slurm/reframe_test.py -r
    reframe ... -r -S before=results/dispatch/job-123/points.csv

It fails where the interval of TorchScript's speed-up over eager and that of an earlier run lie apart, which is what a
slower host, a new kernel or a busy node does first. Without such a run it fails where the interval of this one has
1 in it. What is compared is a ratio within one run, so that clocks and neighbours are in both of its sides.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.builtins import performance_function, run_after, sanity_function, variable

CHECKOUT = Path(__file__).resolve().parents[1]
RATIO, LOW, HIGH = "speedup_vs_eager", "speedup_low", "speedup_high"


@rfm.simple_test
class PythonDispatch(rfm.RunOnlyRegressionTest):
    """One deep, narrow model, whose step is nearly all dispatch, on one device of a node."""

    descr = "speed-up of TorchScript over eager, against its interval"
    valid_systems = ["*"]  # noqa: RUF012 (as ReFrame has it)
    valid_prog_environs = ["*"]  # noqa: RUF012
    exclusive_access = True
    # Of the run that is compared with; empty for none.
    before = variable(str, value="")
    # Any other overrides; sessions are what an interval comes of.
    overrides = variable(
        str, value="depth=[64] width=[64] batch=[1] devices=[1] mode=[eager,script] sweep=smoke"
    )

    @run_after("init")
    def set_command(self) -> None:
        python = os.environ.get("HARNESS_PYTHON") or str(CHECKOUT / ".venv" / "bin" / "python")
        self.executable = python
        self.executable_opts = ["-m", "harness", "sweep", *self.overrides.split(), "timing=normal", "out=run"]
        self.env_vars = {"PYTHONPATH": f"{CHECKOUT}:$PYTHONPATH"}

    def row(self, path: Path) -> dict[str, str]:
        with path.open(encoding="utf-8", newline="") as file:
            return next(row for row in csv.DictReader(file) if row["mode"] == "script")

    @property
    def measured(self) -> dict[str, str]:
        return self.row(Path(self.stagedir) / "run" / "points.csv")

    @sanity_function
    def lies_in_its_interval(self) -> object:
        own = self.measured
        if own["status"] != "ok" or not own[LOW]:
            return sn.assert_true(False, msg=f"no interval: {own['status']} {own['error']}")
        low, high = float(own[LOW]), float(own[HIGH])
        if not self.before:
            return sn.assert_gt(low, 1.0, msg=f"[{low:.3g}, {high:.3g}] has 1 in it, or lies below")
        then = self.row(Path(self.before))
        told = f"[{low:.3g}, {high:.3g}] now, [{float(then[LOW]):.3g}, {float(then[HIGH]):.3g}] then"
        return sn.assert_true(low <= float(then[HIGH]) and high >= float(then[LOW]), msg=told)

    @performance_function("x")
    def speedup(self) -> float:
        return float(self.measured[RATIO])
