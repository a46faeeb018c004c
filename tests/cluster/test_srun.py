"""The command lines that start a job's sessions. Needs no SLURM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import harness.core.processes.run_module
from harness.cluster.allocation import Allocation
from harness.cluster.srun import (
    on_this_node,
    ranks_of_nodes,
    spread,
    srun_command,
    srun_variables,
    torchrun_on_nodes,
)

FOLDER = Path("/run/sessions/s")
RUN_MODULE = str(Path(harness.core.processes.run_module.__file__))


def environment(nodes: str, cpus: str, gpus: str, **more: str) -> dict[str, str]:
    return {
        "SLURM_JOB_ID": "41",
        "SLURM_JOB_NODELIST": nodes,
        "SLURM_JOB_CPUS_PER_NODE": cpus,
        "SLURM_GPUS_PER_NODE": gpus,
        "SLURM_GPUS_ON_NODE": gpus.rpartition(":")[2],
        **more,
    }


def commands(
    environ: dict[str, str], controller: str, devices: int, nodes: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[list[str]]]:
    """srun's command line up to the program, and torchrun's on each node."""
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    allocation = Allocation.from_environment(environ)
    hosts = allocation.hosts[:nodes]
    addresses = [f"10.0.0.{n}" for n in range(1, nodes + 1)]
    torchrun = torchrun_on_nodes(nodes, addresses[0], 29500, allocation.job, "s", FOLDER)
    srun = srun_command(allocation, hosts, "s", FOLDER, torchrun)
    variables = srun_variables(allocation, hosts, addresses, ranks_of_nodes(controller, devices, nodes))
    place = srun.index("/venv/bin/python")
    assert srun[place : place + 4] == ["/venv/bin/python", RUN_MODULE, "harness.cluster.node", str(FOLDER)]
    of_nodes = [on_this_node(srun[place + 4 :], {**variables, "SLURMD_NODENAME": host}) for host in hosts]
    return srun[:place], of_nodes


def srun_line(nodes: int, hosts: str, gpus: str) -> str:
    return (
        f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --nodelist={hosts} --gpus-per-node={gpus} "
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
        environ = environment("gpu17", "96", "8")
        srun, (torchrun,) = commands(environ, "processes", 8, 1, monkeypatch)
        assert " ".join(srun) == srun_line(1, "gpu17", "8")
        assert " ".join(torchrun) == torchrun_line(1, 8, "gpu17", 1)

    def test_two_nodes_with_8_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environ = environment("gpu[17-18]", "96(x2)", "a100:8")
        srun, torchruns = commands(environ, "processes", 16, 2, monkeypatch)
        assert " ".join(srun) == srun_line(2, "gpu17,gpu18", "a100:8")
        assert [" ".join(t) for t in torchruns] == [
            torchrun_line(2, 8, "gpu17", 1),
            torchrun_line(2, 8, "gpu18", 2),
        ]

    def test_four_nodes_with_4_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environ = environment("n[1-4]", "64(x4)", "4")
        srun, torchruns = commands(environ, "processes", 16, 4, monkeypatch)
        assert " ".join(srun) == srun_line(4, "n1,n2,n3,n4", "4")
        assert [" ".join(t) for t in torchruns] == [torchrun_line(4, 4, f"n{k}", k) for k in (1, 2, 3, 4)]

    def test_hosts_of_several_kinds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Names without a common pattern; devices that do not divide by nodes; unlike numbers of cores."""
        environ = environment("big[08,10],r1n[1-2]x,z", "96(x2),64,48(x2)", "8")
        srun, torchruns = commands(environ, "processes", 20, 3, monkeypatch)
        assert " ".join(srun) == srun_line(3, "big08,big10,r1n1x", "8")
        assert [" ".join(t) for t in torchruns] == [
            torchrun_line(3, 7, "big08", 1),
            torchrun_line(3, 7, "big10", 2),
            torchrun_line(3, 6, "r1n1x", 3),
        ]
        assert Allocation.from_environment(environ).cpus == 48, "what every node has"

    def test_a_session_smaller_than_the_job_has_its_first_nodes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        srun, _ = commands(environment("n[1-4]", "64(x4)", "4"), "processes", 4, 1, monkeypatch)
        assert "--nodelist=n1" in srun

    def test_one_process_for_all_devices_is_one_rank(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, (torchrun,) = commands(environment("n1", "64", "8"), "threads", 8, 1, monkeypatch)
        assert "--nproc-per-node=1" in torchrun

    def test_without_gpus_none_are_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environ = {k: v for k, v in environment("n1", "64", "").items() if "GPU" not in k}
        srun, _ = commands(environ, "processes", 8, 1, monkeypatch)
        assert not [word for word in srun if "gpu" in word]

    def test_a_task_has_the_cores_of_its_node(self) -> None:
        """From SLURM 22.05 on, srun does not take them from the job."""
        allocation = Allocation.from_environment(environment("n[1-2]", "96(x2)", "8"))
        assert srun_variables(allocation, ["n1"], ["n1"], [8])["SRUN_CPUS_PER_TASK"] == "96"
        asked = Allocation.from_environment(environment("n1", "96", "8", SLURM_CPUS_PER_TASK="12"))
        assert srun_variables(asked, ["n1"], ["n1"], [8])["SRUN_CPUS_PER_TASK"] == "12"

    def test_options_of_a_site_come_before_the_program(self) -> None:
        allocation = Allocation.from_environment(environment("n1", "96", "8"))
        srun = srun_command(allocation, ["n1"], "s", FOLDER, ["torchrun"], ["--container-image=x.sqsh"])
        assert srun.index("--container-image=x.sqsh") < srun.index("harness.cluster.node")


@pytest.mark.parametrize(("devices", "nodes"), [(16, 2), (12, 2), (20, 3), (7, 4)])
def test_devices_are_spread_evenly(devices: int, nodes: int) -> None:
    found = spread(devices, nodes)
    assert sum(found) == devices
    assert max(found) - min(found) <= 1


def test_a_node_that_is_not_of_the_session_is_an_error() -> None:
    variables = srun_variables(
        Allocation.from_environment(environment("n1", "96", "8")), ["n1"], ["10.0.0.1"], [8]
    )
    with pytest.raises(ValueError, match="n2"):
        on_this_node(["torchrun"], {**variables, "SLURMD_NODENAME": "n2"})
