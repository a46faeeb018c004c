"""Nothing that a job inherits is trusted: variables of other jobs, options of theirs, another directory."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from cluster import Cluster
from jobs import CHECKOUT, QUICK, Jobs, ends, records, table
from running import wait_until

SMALL = ("sweep=smoke", "device=cpu", *QUICK, "depth=[2]", "batch=[1]", "devices=[2]")
# As another job's task has them, in whose shell this one was submitted; some of them empty or odd.
OF_ANOTHER = {
    **{"SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MAX": "4"},
    **{
        "SLURM_CPUS_PER_TASK": "1",
        "SRUN_CPUS_PER_TASK": "1",
        "SLURM_RESTART_COUNT": "x",
        "SLURM_GPUS_PER_NODE": "3",
    },
    **{"SLURM_JOB_CPUS_PER_NODE": "", "SLURM_MEM_PER_CPU": "100", "SLURM_NTASKS_PER_NODE": "5"},
}


def watched(jobs: Jobs) -> Path:
    """Has SLURM's commands write down what they are called with, and by which job."""
    folder, calls = jobs.folder / "bin", jobs.folder / "calls"
    folder.mkdir()
    for name in ("scontrol", "scancel", "squeue", "srun"):
        file = folder / name
        file.write_text(
            f'#!/bin/sh\necho "$SLURM_JOB_ID {name} $*" >> {calls}\nexec {shutil.which(name)} "$@"\n'
        )
        file.chmod(0o755)
    jobs.variables["PATH"] = f"{folder}:{jobs.cluster.environment['PATH']}"
    return calls


@pytest.mark.long
def test_variables_of_another_job_change_nothing(jobs: Jobs, cluster: Cluster) -> None:
    """A job asked about another one's task, worked in its run directory, and by its own requeue killed it."""
    other = jobs.run("sbatch", "--parsable", "--array=1-1", "--wrap=sleep 600", "-n1").strip()
    jobs.submitted.append(other)
    calls = watched(jobs)
    jobs.variables |= {**OF_ANOTHER, "SLURM_ARRAY_JOB_ID": other}
    slow = ("plugins=[faulty_modes]", "mode=[eager,slow]", "timing.block_ms=100", "depth=[2,4]")
    job = jobs.sweep(*SMALL, *slow, "launcher.devices_per_node=2")
    run = jobs.wait_for_cell(job, 1)
    assert run.name == f"job-{job}"
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    wait_until(lambda: cluster.job(job)["Restarts"] == "1", "the requeue", 60)
    assert jobs.finish(job) == run
    assert list(table(run)["status"]) == ["ok"] * 4
    assert cluster.job(f"{other}_1")["JobState"] == "RUNNING"
    assert cluster.job(f"{other}_1")["Restarts"] == "0"
    by_job = [line.partition(" ")[2] for line in calls.read_text().splitlines() if line.startswith(f"{job} ")]
    changing = [line for line in by_job if re.match(r"scontrol (requeue|update|hold|suspend)|scancel", line)]
    assert changing and all(re.search(rf" {job}(\.\d+)?$", line) for line in changing), changing
    (cpus,) = set(re.findall(r"--cpus-per-task=(\d+)", (run / "harness.log").read_text()))
    assert cpus == cluster.ask("sinfo", "--noheader", "-n", "n1", "--format=%c").strip(), "all of the node's"


@pytest.mark.long
def test_next_to_nothing_is_inherited(jobs: Jobs, tmp_path: Path) -> None:
    """By a site that exports nothing (every point failed of HARNESS_NODES), elsewhere, and by sources that are gone."""
    jobs.variables["HARNESS_SUBMITTED_REVISION"] = "0123456789ab"
    options = (f"--export={','.join(jobs.variables)}", "--cpus-per-task=4", f"--output={tmp_path}/%j.out")
    script = f"{CHECKOUT}/slurm/sweep.sbatch"
    job = jobs.run("sbatch", "--parsable", *options, script, *SMALL, folder=tmp_path).strip()
    jobs.submitted.append(job)
    run = jobs.finish(job)
    assert list(table(run)["status"]) == ["ok"] * 2
    assert "the harness was changed since this job was submitted (0123456789ab then, " in jobs.log(job)
    sessions = [record for record in records(run) if record["type"] == "session"]
    assert all(record["revision"] and "source" in record for record in sessions)


@pytest.mark.long
def test_another_clusters_job_of_the_same_number_is_not_resumed(jobs: Jobs) -> None:
    job = jobs.sweep(*SMALL)
    left = jobs.finish(job)
    number, before = str(int(job) + 1), ends(left)
    taken = left.rename(left.with_name(f"job-{number}"))
    environment = taken / "environment.json"
    environment.write_text(environment.read_text().replace('"cluster": "tests"', '"cluster": "elsewhere"'))
    again = jobs.sweep(*SMALL)
    assert again == number
    assert jobs.cluster.wait(again)["JobState"] == "COMPLETED"
    assert ends(taken) == before
    assert ends(taken.with_name(f"job-{number}-2"))


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        ("salloc", "--nodes=2", "--gpus-per-node=8", "--exclusive"),
        (
            "salloc",
            "--nodes=1",
            "--gpus-per-node=8",
            "--exclusive",
            "srun",
            "--ntasks=1",
            "--gpus-per-node=8",
        ),
    ],
    ids=["salloc", "srun in salloc"],
)
def test_an_interactive_allocation(jobs: Jobs, words: tuple[str, ...]) -> None:
    run = jobs.folder / "run"
    jobs.run(
        *words,
        jobs.variables["HARNESS_PYTHON"],
        "-m",
        "harness",
        "sweep",
        "launcher=slurm",
        *SMALL,
        f"out={run}",
    )
    assert list(table(run)["status"]) == ["ok"] * 2


@pytest.mark.long
def test_gpus_that_torch_does_not_see_end_the_job_at_once(jobs: Jobs) -> None:
    job = jobs.sweep("sweep=smoke", *QUICK)
    assert jobs.cluster.wait(job)["JobState"] == "FAILED"
    assert "SLURM has given it 8 on each node, and torch sees none" in jobs.log(job)
