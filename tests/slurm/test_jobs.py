"""Jobs in a real SLURM of two nodes: what a user submits, and what becomes of it."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from cluster import NODES, Cluster
from jobs import QUICK, Jobs, assert_measured_once, ends, records, table
from running import wait_until

from harness.cluster.jobs.host_list import expand_hosts

SMOKE = ("sweep=smoke", "device=cpu", *QUICK)
# A cell takes seconds, in which something can be done to its job.
SLOW = (
    *("sweep=smoke", "device=cpu", *QUICK, "plugins=[faulty_modes]", "mode=[eager,slow]"),
    *("depth=[2,4,5]", "batch=[1]", "devices=[2]", "timing.block_ms=100"),
)
SLOW_ON_TWO = (*SLOW, "launcher.devices_per_node=1")
SLOW_CELLS = 3


@pytest.mark.parametrize("names", ["n[1-2]", "n1", "gpu[001-003,7],login,r[1-2]n[08-10]"])
def test_host_lists_are_read_as_slurm_reads_them(cluster: Cluster, names: str) -> None:
    assert cluster.ask("scontrol", "show", "hostnames", names).split() == expand_hosts(names)


@pytest.mark.long
def test_a_sweep_runs_on_as_many_nodes_as_its_devices_need(jobs: Jobs) -> None:
    """One device a node: one and two nodes; three devices are more than the job has."""
    one = ("devices=[1,2,3]", "launcher.devices_per_node=1", "monitor.sampler=true")
    job = jobs.sweep(*SMOKE, *one, nodes=2)
    run = jobs.finish(job)
    points = table(run)
    assert dict(points.groupby("devices")["nodes"].unique().map(list)) == {1: [1], 2: [2], 3: [3]}
    assert set(points.loc[points["devices"] < 3, "status"]) == {"ok"}
    beyond = points[points["devices"] == 3]
    assert set(beyond["status"]) == {"unsupported"}
    assert (
        beyond["error"]
        .str.contains(r"3 devices asked for, 2 in the allocation \(2 nodes with 1 each\)")
        .all()
    )
    ranks = {(r["ranks"], r["rank"]): r["node"] for r in records(run) if r["type"] == "session"}
    assert {ranks[2, 0], ranks[2, 1]} == set(NODES)
    samplers = sorted(file.name for file in (run / "monitor").glob("*.jsonl"))
    assert samplers == ["node-0.jsonl", "node-1.jsonl"], "one sampler a node"
    said = (run / "harness.log").read_text()
    assert "--nodes=2 --ntasks=2 --ntasks-per-node=1 --nodelist=n1,n2" in said
    assert jobs.log(job).splitlines()[-1].endswith("points.csv"), "the summary comes last"


@pytest.mark.long
def test_an_emulated_sweep_runs_on_two_nodes_of_8_devices(jobs: Jobs) -> None:
    one = ("depth=[2]", "batch=[1]", "devices=[10]", "workload=[forward,train]", "mode=[eager]")
    run = jobs.finish(jobs.sweep("sweep=smoke", "device=emulated", *QUICK, *one, nodes=2))
    points = table(run)
    assert list(points["status"]) == ["ok"] * 2
    assert set(points["device_kind"]) == {"emulated"}
    assert set(points["nodes"]) == {2}
    identities = [
        json.dumps(record["devices"])
        for record in records(run)
        if record["type"] == "session" and record["ranks"] == 10
    ]
    assert len(set(identities)) == 10, "each rank has a device of its own"


@pytest.mark.long
def test_shards_and_their_report_have_the_points_of_the_whole(jobs: Jobs) -> None:
    overrides = (*SMOKE, "devices=[1,2]")
    said = jobs.run("slurm/submit", "2", f"--output={jobs.folder}/%A-%a.out", *overrides)
    array, report, folder = (line.rpartition(": ")[2] for line in said.splitlines())
    jobs.submitted += [array, report]
    whole = table(jobs.finish(jobs.sweep(*overrides), seconds=400))
    assert jobs.cluster.wait(report, 400)["JobState"] == "COMPLETED"
    merged = Path(folder)
    assert merged == jobs.folder / "results" / "smoke" / f"job-{array}"
    points = table(merged)
    assert list(points["key"]) == list(whole["key"])
    assert list(points["status"]) == list(whole["status"]) == ["ok"] * len(whole)
    assert (merged / "report.html").exists()
    about = json.loads((merged / "merged.json").read_text())
    assert about["missing"] == []
    assert len(about["shards"]) == 2
    sizes = [len(set(table(shard)["key"])) for shard in sorted(merged.glob("shard-*"))]
    # Each has the reference cell of two points beside its own.
    assert sum(sizes) == len(whole) + 2 * (2 - 1)
    assert max(sizes) < len(whole)


@pytest.mark.long
def test_a_preempted_job_is_requeued_and_goes_on_where_it_was(jobs: Jobs) -> None:
    """Where a site has batch scripts hear of nothing: the steps alone are told. test_starts has the other signal."""
    job = jobs.sweep(*SLOW_ON_TWO, nodes=2)
    run = jobs.wait_for_cell(job, 1)
    before = ends(run)
    jobs.cluster.ask("scancel", "--signal=TERM", job)
    wait_until(lambda: jobs.cluster.job(job)["Restarts"] == "1", "the requeue", 60)
    assert re.search(r"ended by the end of the job\b.*; what was measured is kept", jobs.log(job))
    assert jobs.finish(job) == run
    assert ends(run)[: len(before)] == before
    assert_measured_once(run, SLOW_CELLS)
    assert list(table(run)["status"]) == ["ok"] * 2 * SLOW_CELLS
    assert jobs.log(job).count("session processes-2-try") == 2, "one log over both starts"
    assert not list(run.glob("owner.*")), "the job has given its run directory back"


@pytest.mark.long
def test_a_killed_rank_costs_its_cell_and_is_named_with_its_node(jobs: Jobs) -> None:
    job = jobs.sweep(*SLOW_ON_TWO, nodes=2)
    run = jobs.wait_for_cell(job, 1)
    victim = next(r for r in records(run) if r["type"] == "session" and r["node"] == "n2")
    os.kill(victim["pid"], signal.SIGKILL)
    jobs.finish(job)
    points = table(run)
    assert sorted(points["status"]) == ["failed"] * 2 + ["ok"] * 2 * (SLOW_CELLS - 1)
    cause = f"rank {victim['rank']} on n2 was ended by SIGKILL"
    assert points.loc[points["status"] == "failed", "error"].str.contains(cause).all()
    assert cause in jobs.log(job)


@pytest.mark.long
def test_a_rank_that_hangs_is_a_timeout_and_says_where_it_is(jobs: Jobs) -> None:
    faulty = ("plugins=[faulty_modes]", "mode=[eager,hangs]", "depth=[3,2]", "batch=[1]", "devices=[2]")
    one = ("launcher.devices_per_node=1", "timeout_s=5")
    run = jobs.finish(jobs.sweep(*SMOKE, *faulty, *one, nodes=2))
    points = table(run).set_index("depth")
    assert list(points.loc[3, "status"]) == ["timeout"] * 2
    assert list(points.loc[2, "status"]) == ["ok"] * 2
    where = [line for line in (run / "harness.log").read_text().splitlines() if " in fail" in line]
    assert where and all(line.startswith(("n1: ", "n2: ")) for line in where)


@pytest.mark.long
def test_an_exception_of_a_rank_reaches_the_jobs_log_with_rank_and_node(jobs: Jobs) -> None:
    """A plugin that cannot be imported on one node, which ends a rank before ranks have met."""
    (jobs.folder / "broken_there.py").write_text(
        "import os\nif os.environ.get('RANK') == '1': raise RuntimeError('not on this node')\n"
    )
    jobs.variables["PYTHONPATH"] += f"{os.pathsep}{jobs.folder}"
    one = ("depth=[2]", "batch=[1]", "devices=[2]", "launcher.devices_per_node=1", "plugins=[broken_there]")
    job = jobs.sweep(*SMOKE, *one, nodes=2)
    run = jobs.finish(job, "FAILED")
    log = jobs.log(job)
    ((rank, node),) = {(1, n) for n in NODES if f"rank 1 on {n}: " in log}
    assert f"rank {rank} on {node}: RuntimeError: not on this node" in log
    errors = table(run)["error"]
    assert errors.str.contains(f"rank 1 on {node} exited with status 1: .*not on this node").all()


@pytest.mark.long
def test_a_cancelled_job_is_not_requeued(jobs: Jobs) -> None:
    """Its nodes are told in the same way as at preemption."""
    job = jobs.sweep(*SLOW_ON_TWO, nodes=2)
    run = jobs.wait_for_cell(job, 1)
    jobs.cluster.ask("scancel", job)
    assert jobs.finish(job, "CANCELLED") == run
    assert jobs.cluster.job(job)["Restarts"] == "0"
    assert not ends(run)[1:]


@pytest.mark.long
def test_two_jobs_cannot_write_to_one_run_directory(jobs: Jobs, tmp_path: Path) -> None:
    out = f"out={tmp_path / 'run'}"
    long = ("timing.rounds=9999", "timing.max_cell_s=300")
    first = jobs.sweep(*SLOW, *long, out)
    wait_until(lambda: list((tmp_path / "run").glob("owner.*")), "the first job's owner file", 60)
    # A lock of the kernel would keep it out as well here, where both nodes are one machine.
    second = jobs.sweep(*SLOW, *long, out)
    assert jobs.cluster.wait(second)["JobState"] == "FAILED"
    assert f"it is held by job {first}" in jobs.log(second)
