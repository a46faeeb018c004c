"""How a job starts and is started again: in containers, after the loss of any node, and not without an end."""

from __future__ import annotations

import os
import random
import re
import sys
import time
from pathlib import Path

import pytest
from cluster import Cluster
from jobs import QUICK, Jobs, ends, table
from running import wait_until

SMALL = ("sweep=smoke", "device=cpu", *QUICK, "depth=[2]", "batch=[1]", "devices=[2]")
SLOW = (
    *("sweep=smoke", "device=cpu", *QUICK, "plugins=[faulty_modes]", "mode=[eager,slow]", "depth=[2,4,5]"),
    *("batch=[1]", "devices=[2]", "timing.block_ms=100", "launcher.devices_per_node=1"),
)


def in_container(folder: Path) -> Path:
    """A script that runs Python where nothing outside sees it: in a mount namespace of its own."""
    inside = folder / "only inside"
    inside.mkdir()
    script = folder / "python-in-container"
    enter = f"mount --bind '{sys.prefix}' '{inside}' && exec '{inside}/bin/python' \"$@\""
    script.write_text(f'#!/bin/sh\nexec unshare --mount sh -c {shell(enter)} sh "$@"\n')
    script.chmod(0o755)
    return script


def shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.long
def test_a_python_that_is_only_in_a_container(jobs: Jobs) -> None:
    """Nodes started, outside of the container, the path that Python has inside."""
    jobs.variables["HARNESS_PYTHON"] = str(in_container(jobs.folder))
    run = jobs.finish(jobs.sweep(*SMALL, "launcher.devices_per_node=1", nodes=2))
    assert list(table(run)["status"]) == ["ok"] * 2
    assert not list((jobs.folder / "only inside").iterdir())


@pytest.mark.long
def test_ranks_alone_in_a_container_as_with_pyxis(jobs: Jobs) -> None:
    """srun's plugin in miniature: what it is told of a container, it runs in one."""
    script = in_container(jobs.folder)
    folder = jobs.folder / "bin"
    folder.mkdir()
    (folder / "srun").write_text(
        "#!/bin/bash\nwords=() inside=\n"
        'for word in "$@"; do case "$word" in --container-*) inside=1;; '
        f"PYTHON-INSIDE) words+=('{script}');; *) words+=(\"$word\");; esac; done\n"
        '[ "$inside" ] || exit 3\n'
        f'exec {jobs.cluster.find("srun")} "${{words[@]}}"\n'
    )
    (folder / "srun").chmod(0o755)
    jobs.variables["PATH"] = f"{folder}:{jobs.cluster.environment['PATH']}"
    jobs.variables["HARNESS_NODE_PYTHON"] = "PYTHON-INSIDE"
    image = "launcher.srun_args=[--container-image=/x/a=b.sqsh,'--container-mounts=/a b:/c,/d']"
    run = jobs.finish(jobs.sweep(*SMALL, image))
    assert list(table(run)["status"]) == ["ok"] * 2


@pytest.mark.long
def test_a_node_that_cannot_start_says_why(jobs: Jobs) -> None:
    """The row said `task 0: exited with exit code 1`."""
    jobs.variables["HARNESS_NODE_PYTHON"] = "/no/such/python"
    job = jobs.sweep(*SMALL)
    assert jobs.cluster.wait(job)["JobState"] == "FAILED"
    assert "/no/such/python: No such file or directory" in jobs.log(job)


@pytest.mark.long
def test_starts_that_measure_nothing_come_to_an_end(jobs: Jobs, cluster: Cluster) -> None:
    """A start that takes longer than the time limit leaves it was requeued for ever, with no run directory."""
    begun = jobs.folder / "begun"
    (jobs.folder / "slow_import.py").write_text(
        f"import time\nfrom pathlib import Path\nPath({str(begun)!r}).touch()\ntime.sleep(600)\n"
    )
    jobs.variables["PYTHONPATH"] += f"{os.pathsep}{jobs.folder}"
    job = jobs.sweep(*SMALL, "plugins=[slow_import]")
    for restarts in ("0", "1"):
        wait_until(lambda n=restarts: cluster.job(job)["Restarts"] == n, f"start {restarts}", 60)
        wait_until(
            lambda: cluster.hasten(job, cluster.job(job)) or begun.exists(), "the harness to begin", 120
        )
        begun.unlink()
        cluster.ask("scancel", "--batch", "--signal=USR1", job)
    assert cluster.wait(job, 60)["JobState"] == "FAILED"
    assert cluster.job(job)["Restarts"] == "1"
    assert "not started again: 2 starts one after the other have measured nothing" in jobs.log(job)


@pytest.mark.long
def test_requeued_at_any_moment_it_measures_as_much_as_without(jobs: Jobs, cluster: Cluster) -> None:
    """A job that was signalled after the first visit of each cell came back and measured nothing more."""
    overrides = (*SLOW, "depth=[2,4]", "timing.block_ms=50", "timing.visit_rounds=2", "timing.max_cell_s=100")
    overrides += ("timing.sessions=2", "timing.max_sessions=2")
    job = jobs.sweep(*overrides, nodes=2)

    def over() -> bool:
        return cluster.job(job)["JobState"] not in ("RUNNING", "PENDING", "REQUEUED", "COMPLETING")

    def visited(before: int) -> bool:
        cluster.hasten(job, cluster.job(job))
        return len(ends(jobs.directory(job))) > before or over()

    for restarts in range(3):
        wait_until(lambda n=restarts: cluster.job(job)["Restarts"] == str(n), f"start {restarts}", 90)
        begun = len(ends(jobs.directory(job)))
        wait_until(lambda n=begun: visited(n), "a visit of this start", 120)
        time.sleep(random.uniform(0, 2))
        if over():
            break  # it was quicker
        cluster.ask("scancel", "--batch", "--signal=USR1", job)
    run = jobs.finish(job, seconds=400)
    # What --signal=B:USR1@180 sends before the time limit.
    assert re.search(r"ended by SIGUSR1\b.*; what was measured is kept", jobs.log(job))
    points = table(run)
    assert sorted(zip(points["depth"], points["mode"], strict=True)) == [
        (depth, mode) for depth in (2, 4) for mode in ("eager", "slow")
    ]
    assert list(points["status"]) == ["ok"] * 4
    assert (points["rounds"] >= 2 * 6).all(), points[["depth", "mode", "rounds", "sessions"]]


class TestALostNode:
    """SLURM ends the job and starts it again, be it the first node, on which the batch script runs, or another."""

    def lost(self, jobs: Jobs, cluster: Cluster, lose) -> None:
        job = jobs.sweep(
            *SLOW, "depth=[2]", "timing.rounds=20", "timing.visit_rounds=2", "timing.max_cell_s=100", nodes=2
        )
        run = jobs.wait_for_cell(job, 1)
        lose(job)
        wait_until(lambda: cluster.job(job)["Restarts"] != "0", "the requeue", 90)
        cluster.revive()
        assert jobs.finish(job) == run
        assert list(table(run)["status"]) == ["ok"] * 2, table(run)[["depth", "mode", "status", "error"]]

    @pytest.mark.long
    def test_set_down(self, jobs: Jobs, cluster: Cluster) -> None:
        self.lost(
            jobs,
            cluster,
            lambda job: cluster.ask("scontrol", "update", "NodeName=n1", "State=DOWN", "Reason=test"),
        )

    @pytest.mark.long
    def test_without_a_word(self, jobs: Jobs, cluster: Cluster) -> None:
        """SLURM finds out when it has not answered for some time (SlurmdTimeout)."""
        self.lost(jobs, cluster, lambda job: cluster.kill_node("n1", job))

    @pytest.mark.long
    def test_as_its_administrator_says(self, jobs: Jobs, cluster: Cluster) -> None:
        def lose(job: str) -> None:
            cluster.kill_node("n1", job)
            cluster.ask("scontrol", "update", "NodeName=n1", "State=DOWN", "Reason=test")

        self.lost(jobs, cluster, lose)
