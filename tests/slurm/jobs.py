"""Jobs as a user submits them: with the scripts in slurm/, from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from cluster import Cluster
from running import TESTS, wait_until

from benchmarks.on_disk import lines_of

CHECKOUT = TESTS.parent

# One session a plan, and one build. No samplers: what is looked at here are jobs.
QUICK = (
    *("timing.block_ms=1", "timing.rounds=6", "timing.warmup_max_s=0.1"),
    *("timing.sessions=1", "timing.max_sessions=1", "timing.builds=1"),
    "mode=[eager,script]",
    "monitor=none",
)


class Jobs:
    """Submits jobs whose runs and logs are in `folder`."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.submitted: list[str] = []
        path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
        self.variables = {
            "HARNESS_PYTHON": sys.executable,
            "HARNESS_RESULTS": str(folder / "results"),
            "PYTHONPATH": path,
            "COLUMNS": "200",
            "SBATCH_OUTPUT": str(folder / "%j.out"),
        }

    def sweep(self, *overrides: str, nodes: int = 1, options: tuple[str, ...] = ()) -> str:
        """sbatch slurm/sweep.sbatch; answers the job's id."""
        words = ("sbatch", "--parsable", f"--output={self.folder}/%j.out", f"--nodes={nodes}", *options)
        job = self.run(*words, "slurm/sweep.sbatch", *overrides).strip()
        self.submitted.append(job)
        return job

    def run(self, *command: str, folder: Path = CHECKOUT) -> str:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**self.cluster.environment, **self.variables},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def finish(self, job: str, state: str = "COMPLETED", seconds: float = 240) -> Path:
        """Wait for a job's end in this state; answers its run directory."""
        found = self.cluster.wait(job, seconds)
        assert found["JobState"] == state, f"{found}\n{self.log(job)}"
        return self.directory(job)

    def log(self, job: str) -> str:
        file = self.folder / f"{job}.out"
        return file.read_text() if file.exists() else ""

    def directory(self, job: str) -> Path:
        return next((self.folder / "results").glob(f"*/job-{job}"), self.folder / "none")

    def wait_for_cell(self, job: str, number: int) -> Path:
        """Wait until so many cells are done and a round of the next is."""
        wait_until(lambda: len(ends(self.directory(job))) >= number, f"{number} cells of job {job}", 120)
        run = self.directory(job)
        before = rounds(run)
        wait_until(lambda: rounds(run) > before, "a round of the next cell")
        return run

    def cancel(self) -> None:
        for job in self.submitted:
            subprocess.run(["scancel", job], env=self.cluster.environment, capture_output=True)
        self.cluster.wait_until_idle()


def records(run: Path) -> list[dict]:
    if not (run / "raw").is_dir():
        return []
    return [record for of_file in lines_of(run).values() for record in of_file]


def ends(run: Path) -> list[str]:
    """Cells that count as measured, once for each time they were."""
    return [record["cell"] for record in records(run) if record["type"] == "end"]


def rounds(run: Path) -> int:
    return sum(record["type"] == "round" for record in records(run))


def assert_measured_once(run: Path, cells: int) -> None:
    assert Counter(Counter(ends(run)).values()) == {1: cells}, "a cell was measured twice, or not at all"


def table(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "points.csv")
