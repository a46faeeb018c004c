"""The command lines that start a job's sessions. Needs no SLURM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from made_jobs import job

import harness.core.processes.run_module
from harness.cluster.jobs.job import Job
from harness.cluster.srun import (
    inherited,
    node_python,
    on_this_node,
    ranks_of_nodes,
    spread,
    srun_command,
    srun_variables,
    torchrun_on_nodes,
)
from harness.core.processes.children import python_module

FOLDER = Path("/run/sessions/s")
RUN_MODULE = str(Path(harness.core.processes.run_module.__file__))


def commands(
    job: Job, controller: str, devices: int, nodes: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[list[str]]]:
    """srun's command line up to the program, and torchrun's on each node."""
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    hosts = job.hosts[:nodes]
    addresses = [f"10.0.0.{n}" for n in range(1, nodes + 1)]
    torchrun = torchrun_on_nodes(nodes, addresses[0], 29500, job.identity.name, "s", FOLDER)
    node = python_module("harness.cluster.node", str(FOLDER), *torchrun, python="/venv/bin/python")
    srun = srun_command(job, hosts, "s", node)
    variables = srun_variables(hosts, addresses, ranks_of_nodes(controller, devices, nodes))
    place = srun.index("/venv/bin/python")
    assert srun[place : place + 4] == ["/venv/bin/python", RUN_MODULE, "harness.cluster.node", str(FOLDER)]
    of_nodes = [on_this_node(srun[place + 4 :], {**variables, "SLURMD_NODENAME": host}) for host in hosts]
    return srun[:place], of_nodes


def srun_line(nodes: int, hosts: str, gpus: int, cpus: int) -> str:
    return (
        f"srun --jobid=41 --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --nodelist={hosts} "
        f"--cpus-per-task={cpus} --gpus-per-node={gpus} --mem=0 --overlap --export=ALL "
        "--kill-on-bad-exit=1 --wait=30 --mpi=none --job-name=s"
    )


def torchrun_line(nodes: int, ranks: int, host: str, address: int) -> str:
    return (
        f"/venv/bin/python {RUN_MODULE} torch.distributed.run --nnodes={nodes} --nproc-per-node={ranks} "
        "--rdzv-backend=c10d "
        f"--rdzv-endpoint=10.0.0.1:29500 --rdzv-conf=is_host={str(address == 1).lower()},join_timeout=240 "
        f"--rdzv-id=41-s --local-addr=10.0.0.{address} --max-restarts=0 --monitor-interval=0.25 "
        f"--log-dir=/run/sessions/s/torchrun-{host} "
        f"--no-python /venv/bin/python {RUN_MODULE} harness.worker /run/sessions/s/session.json"
    )


class TestCommands:
    def test_one_node_with_8_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        srun, (torchrun,) = commands(job("gpu17"), "processes", 8, 1, monkeypatch)
        assert " ".join(srun) == srun_line(1, "gpu17", 8, 96)
        assert " ".join(torchrun) == torchrun_line(1, 8, "gpu17", 1)

    def test_two_nodes_with_8_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        srun, torchruns = commands(job("gpu17 gpu18"), "processes", 16, 2, monkeypatch)
        assert " ".join(srun) == srun_line(2, "gpu17,gpu18", 8, 96)
        assert [" ".join(t) for t in torchruns] == [
            torchrun_line(2, 8, "gpu17", 1),
            torchrun_line(2, 8, "gpu18", 2),
        ]

    def test_four_nodes_with_4_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        srun, torchruns = commands(job("n1 n2 n3 n4", "4", "64"), "processes", 16, 4, monkeypatch)
        assert " ".join(srun) == srun_line(4, "n1,n2,n3,n4", 4, 64)
        assert [" ".join(t) for t in torchruns] == [torchrun_line(4, 4, f"n{k}", k) for k in (1, 2, 3, 4)]

    def test_hosts_of_several_kinds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Names without a common pattern; devices that do not divide by nodes; unlike numbers of cores."""
        many = job("big08 big10 r1n1x r1n2x z", "8 4 8 8 8", "96 96 64 48 48")
        srun, torchruns = commands(many, "processes", 20, 3, monkeypatch)
        assert " ".join(srun) == srun_line(3, "big08,big10,r1n1x", 4, 64), "what every one of them has"
        assert [" ".join(t) for t in torchruns] == [
            torchrun_line(3, 7, "big08", 1),
            torchrun_line(3, 7, "big10", 2),
            torchrun_line(3, 6, "r1n1x", 3),
        ]

    def test_a_session_smaller_than_the_job_has_its_first_nodes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        srun, _ = commands(job("n1 n2 n3 n4", "4", "64"), "processes", 4, 1, monkeypatch)
        assert "--nodelist=n1" in srun

    def test_one_process_for_all_devices_is_one_rank(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, (torchrun,) = commands(job(), "threads", 8, 1, monkeypatch)
        assert "--nproc-per-node=1" in torchrun

    def test_without_gpus_none_are_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        srun, _ = commands(job(gpus="0"), "processes", 8, 1, monkeypatch)
        assert not [word for word in srun if "gpu" in word]

    def test_options_of_a_site_come_before_the_program(self) -> None:
        srun = srun_command(job(), ["n1"], "s", ["program"], ["--container-image=x.sqsh"])
        assert srun[-2:] == ["--container-image=x.sqsh", "program"]

    def test_srun_inherits_no_options(self) -> None:
        """All ranks of a node were on one CPU, by the variable of a job from within which this one was submitted."""
        of_jobs = (
            "SLURM_CPUS_PER_TASK",
            "SLURM_MEM_PER_CPU",
            "SLURM_EXPORT_ENV",
            "SRUN_CPUS_PER_TASK",
            "SBATCH_QOS",
        )
        kept = {"PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf", "NCCL_DEBUG": "INFO"}
        assert inherited({**dict.fromkeys(of_jobs, "1"), **kept}) == kept

    def test_a_node_starts_what_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        assert node_python({}) == sys.executable
        assert node_python({"HARNESS_PYTHON": "slurm/in-container"}) == str(tmp_path / "slurm/in-container")
        both = {"HARNESS_PYTHON": "/x/python", "HARNESS_NODE_PYTHON": "python3"}
        assert node_python(both) == "python3"


def test_an_address_of_ipv6_is_put_in_brackets() -> None:
    assert "--rdzv-endpoint=[fd00::1]:29500" in torchrun_on_nodes(2, "fd00::1", 29500, "41", "s", FOLDER)


@pytest.mark.parametrize(("devices", "nodes"), [(16, 2), (12, 2), (20, 3), (7, 4)])
def test_devices_are_spread_evenly(devices: int, nodes: int) -> None:
    found = spread(devices, nodes)
    assert sum(found) == devices
    assert max(found) - min(found) <= 1


def test_a_node_that_is_not_of_the_session_is_an_error() -> None:
    variables = srun_variables(["n1"], ["10.0.0.1"], [8])
    with pytest.raises(ValueError, match="n2"):
        on_this_node(["torchrun"], {**variables, "SLURMD_NODENAME": "n2"})
