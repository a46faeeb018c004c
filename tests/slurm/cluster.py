"""A real SLURM cluster of two nodes on this machine: munged, slurmctld and two slurmd in a folder of their own.

Nothing of it is the system's: keys, ports, sockets and spool folders are the folder's, and all processes end with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel", "sinfo")
PACKAGES = "slurmctld slurmd slurm-client munge"

NODES = ("n1", "n2")
GPUS = 8
# Not the machine's: config_overrides has SLURM believe it.
CPUS, MEMORY_MIB = 16, 8000

# Starting takes a second; a machine that is busy with other tests takes longer.
UP_WITHIN_S = 60

CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdTimeout=20
SchedulerParameters=sched_interval=1,bf_interval=1
GresTypes=gpu
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
    "CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus}"
)


def find(program: str) -> str | None:
    # Daemons are in sbin, which users have not always in their path.
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def missing() -> str | None:
    """Why there can be no cluster here; None if there can."""
    if lacking := [program for program in PROGRAMS if not find(program)]:
        return f"no {', '.join(lacking)}: apt-get install {PACKAGES}"
    if os.geteuid() != 0:
        return "slurmd starts jobs as root alone"
    return None


class Cluster:
    """A running cluster. environment: under which SLURM's commands reach it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._hastened: set[tuple[str, str]] = set()

    def start(self) -> None:
        folder = self.folder
        (folder / "state").mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        # A count alone is refused when a node registers: each device must be a file, and a character device.
        for number in range(GPUS):
            os.mknod(folder / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
        (folder / "cgroup.conf").touch()
        host, ports = socket.gethostname(), free_ports(1 + len(NODES))
        about = {"host": host, "cpus": CPUS, "memory": MEMORY_MIB, "gpus": GPUS}
        nodes = "\n".join(NODE.format(name=n, port=p, **about) for n, p in zip(NODES, ports[1:], strict=True))
        text = CONFIG.format(host=host, ports=ports, folder=folder, nodes=nodes, names=",".join(NODES))
        (folder / "slurm.conf").write_text(text)
        munge = [
            "--key-file",
            str(key),
            "--socket",
            f"{folder}/munge.socket",
            "--seed-file",
            f"{folder}/seed",
        ]
        munge += ["--pid-file", f"{folder}/munge.pid", "--log-file", f"{folder}/munge.log"]
        self._run("munged", "--foreground", "--force", *munge)
        self._until(lambda: (folder / "munge.socket").exists(), "munge's socket")
        self._run("slurmctld", "-D", "-c")
        for name in NODES:
            self._start_node(name)
        self._until(lambda: self.states() == dict.fromkeys(NODES, "idle"), "two idle nodes")

    def _start_node(self, name: str) -> None:
        self._run("slurmd", "-D", "-N", name)
        self._nodes[name] = self._processes[-1]

    @staticmethod
    def find(program: str) -> str:
        path = find(program)
        assert path is not None
        return path

    def kill_node(self, name: str, job: str) -> None:
        """As a machine that loses its power: the daemon of a node, and what it runs of the job, at once."""
        gone = self._nodes.pop(name)
        gone.kill()
        gone.wait()
        self._processes.remove(gone)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environ = process.environ()
                if (environ.get("SLURM_JOB_ID"), environ.get("SLURMD_NODENAME")) == (job, name):
                    above = [each for each in process.parents() if each.name() == "slurmstepd"]
                    for each in [*above, process]:
                        with contextlib.suppress(psutil.NoSuchProcess):
                            each.kill()

    def revive(self) -> None:
        """All nodes as they were at the beginning."""
        for name in NODES:
            if name not in self._nodes:
                self._start_node(name)
        # One that registers anew comes back by itself, perhaps just now.
        self._until(lambda: all(map(self._is_up, NODES)), "all nodes", 60)

    def _is_up(self, name: str) -> bool:
        state = self.states().get(name, "")
        if state.startswith(("down", "drain")):
            resume = ["scontrol", "update", f"NodeName={name}", "State=RESUME"]
            subprocess.run(resume, env=self.environment, capture_output=True)
        return state.startswith(("idle", "alloc", "mix", "comp"))

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.out").open("ab") as output:
            path = find(program)
            assert path is not None
            process = subprocess.Popen(
                [path, *arguments], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self._processes.append(process)

    def stop(self) -> None:
        """End jobs, then daemons, and wait until nothing is left of them."""
        try:
            for state in ("PENDING", "RUNNING"):
                subprocess.run(["scancel", f"--state={state}"], env=self.environment, capture_output=True)
            if self._processes:
                self._until(lambda: not self.ask("squeue", "--noheader"), "the end of all jobs", 20)
        finally:
            self._end_daemons()

    def _end_daemons(self) -> None:
        for process in reversed(self._processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                # A job's steps have processes of their own, which are no children of slurmd any more.
                process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, *command: str, **variables: str) -> str:
        """What one of SLURM's commands prints; raises CalledProcessError with what it said if it fails."""
        done = subprocess.run(
            command, env={**self.environment, **variables}, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            pytest.fail(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def states(self) -> dict[str, str]:
        """Node -> idle, alloc, down, ..."""
        done = subprocess.run(
            ["sinfo", "-N", "--noheader", "--format=%N %t"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return dict(line.split() for line in done.stdout.splitlines())

    def job(self, job: str) -> dict[str, str]:
        """What scontrol knows of a job: JobState, Restarts, NodeList, ..."""
        return dict(re.findall(r"(\w+)=(\S*)", self.ask("scontrol", "--oneliner", "show", "job", job)))

    def wait(self, job: str, seconds: float = 240) -> dict[str, str]:
        """Wait for the end of a job, and answer what is known of it. A requeued job is let start at once."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.job(job)
            if found["JobState"] not in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED", "CONFIGURING"):
                return found
            self.hasten(job, found)
            time.sleep(0.3)
        pytest.fail(f"job {job} has not ended within {seconds:g} s: {self.job(job)}")

    def hasten(self, job: str, found: dict[str, str]) -> None:
        """SLURM holds a requeued job back for two minutes, to clean up after its first start; here seconds do."""
        start = (job, found["Restarts"])
        if found["JobState"] == "PENDING" and found["Restarts"] != "0" and start not in self._hastened:
            self._hastened.add(start)
            self.ask("scontrol", "update", f"JobId={job}", "StartTime=now+5seconds")

    def wait_until_idle(self) -> None:
        """Wait until no job is left and nodes have cleaned up."""
        self._until(lambda: not self.ask("squeue", "--noheader"), "the end of all jobs", 30)
        self._until(lambda: set(self.states().values()) == {"idle"}, "idle nodes", 30)

    def _until(self, condition, what: str, seconds: float = UP_WITHIN_S) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or any(p.poll() is not None for p in self._processes):
                said = [f"{p.name}:\n{p.read_text()[-1500:]}" for p in self.folder.glob("*.[ol][uo][tg]")]
                raise RuntimeError(
                    f"the cluster has not come up: not within {seconds:g} s: {what}\n" + "\n".join(said)
                )
            time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
