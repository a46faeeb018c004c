"""What a SLURM job has, and the command that starts a session on some of its nodes.

In: the environment that SLURM gives a job. Out: an Allocation, and command lines. Starts nothing and asks no
daemon, so that all of it can be tested where there is no SLURM. Must not know sweeps or records.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.controllers import CONTROLLERS
from harness.core.errors import ConfigError
from harness.core.processes.children import python_module
from harness.launch.run import TORCHRUN_LOOKS_EVERY_S, rank_command, torchrun

# Once a node's ranks have ended, the others are given so long: they end together or not at all.
WAIT_S = 30
# A rendezvous that lacks a node is given up after this time; launcher.startup_timeout_s ends it sooner or later.
JOIN_S = 240

# What a node replaces in its torchrun command: it alone knows which node it is.
ADDRESS, IS_HOST, RANKS, NODE = "%ADDRESS", "%IS_HOST", "%RANKS", "%NODE"
# The nodes of a session, the address of each, and how many ranks it starts: by the same place in each list.
HOSTS_VARIABLE, ADDRESSES_VARIABLE, SPREAD_VARIABLE = (
    "HARNESS_NODES",
    "HARNESS_NODE_ADDRESSES",
    "HARNESS_NODE_RANKS",
)
# Set where all nodes are parts of one emulated machine: devices of each part.
SLICE_VARIABLE = "HARNESS_NODE_SLICE"

# What a batch script that forwards a signal to the harness requeues the job for; EX_TEMPFAIL of sysexits.h:
# what could not be done now can be done later.
REQUEUE_STATUS = 75

# One name of a host list with its bracketed ranges, e.g. gpu[001-003,7]n[1-2].
_NAME = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")
_PIECE = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")


@dataclass(frozen=True)
class Allocation:
    """What this job has. job: as SLURM's commands take it, 12 or, of an array, 12_3; hosts: node names in SLURM's
    order; gpus: of each node as srun takes them, "" where none were asked for; gpu_count: their number;
    cpus: CPUs of each node, the least of all."""

    job: str
    hosts: tuple[str, ...]
    gpus: str
    gpu_count: int | None
    cpus: int

    @staticmethod
    def from_environment(environ: Mapping[str, str] = os.environ) -> Allocation:
        """Raises ConfigError outside a job."""
        names = environ.get("SLURM_JOB_NODELIST")
        if not names or "SLURM_JOB_ID" not in environ:
            raise ConfigError(
                "launcher",
                "slurm",
                "within a SLURM job: sbatch slurm/sweep.sbatch OVERRIDES; or launcher=local",
            )
        gpus = environ.get("SLURM_GPUS_PER_NODE", "")
        count = environ.get("SLURM_GPUS_ON_NODE", "") or gpus.rpartition(":")[2]
        cpus = min(_repeated(environ.get("SLURM_JOB_CPUS_PER_NODE", "1")))
        return Allocation(
            job_name(environ),
            tuple(expand_hosts(names)),
            gpus,
            int(count) if count.isdigit() else None,
            # As asked for per task, where a site's nodes are not exclusive.
            int(environ.get("SLURM_CPUS_PER_TASK", cpus)),
        )


def job_name(environ: Mapping[str, str]) -> str:
    """This job as SLURM's commands take it. The bare number of an array's last task means the whole array."""
    if "SLURM_ARRAY_JOB_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ["SLURM_JOB_ID"]


def run_name(environ: Mapping[str, str] = os.environ) -> str | None:
    """Name of a job's run directory: the same after a requeue. None outside a job. Shards stand below the array's."""
    if "SLURM_ARRAY_JOB_ID" in environ:
        return f"job-{environ['SLURM_ARRAY_JOB_ID']}"
    return f"job-{environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in environ else None


def expand_hosts(names: str) -> list[str]:
    """gpu[001-003,7],login to a list of names; the same as `scontrol show hostnames`."""
    hosts: list[str] = []
    for name in _NAME.findall(names):
        pieces = [_ranges(ranges) if ranges else [plain] for ranges, plain in _PIECE.findall(name)]
        hosts += ["".join(parts) for parts in itertools.product(*pieces)]
    return hosts


def _ranges(text: str) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += [f"{n:0{len(first)}}" for n in range(int(first), int(last or first) + 1)]
    return found


def _repeated(text: str) -> list[int]:
    """SLURM's 16(x2),8 to 16, 16, 8."""
    found: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        found += [int(number)] * int(times or 1)
    return found


def spread(devices: int, nodes: int) -> list[int]:
    """Devices of each node: as even as it goes, the first nodes having one more."""
    return [devices // nodes + (place < devices % nodes) for place in range(nodes)]


def ranks_of_nodes(controller: str, devices: int, nodes: int) -> list[int]:
    """Rank processes of each node."""
    ranks = CONTROLLERS[controller].ranks(devices)
    return spread(ranks, nodes)


def rendezvous_id(job: str, session_id: str) -> str:
    return f"{job}-{session_id}"


def torchrun_on_nodes(
    nodes: int, address: str, port: int, job: str, session_id: str, folder: Path
) -> list[str]:
    """torchrun as every node of a session runs it, but for what the node itself replaces.

    address, port: where the ranks meet, on the session's first node.
    """
    return [
        *torchrun(),
        f"--nnodes={nodes}",
        f"--nproc-per-node={RANKS}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={address}:{port}",
        # Said rather than left to be found out: names of a cluster need not be those the machine knows itself by.
        f"--rdzv-conf=is_host={IS_HOST},join_timeout={JOIN_S}",
        f"--rdzv-id={rendezvous_id(job, session_id)}",
        f"--local-addr={ADDRESS}",
        "--max-restarts=0",
        f"--monitor-interval={TORCHRUN_LOOKS_EVERY_S}",
        f"--log-dir={folder / 'torchrun'}-{NODE}",
        *rank_command(folder),
    ]


def srun_command(
    allocation: Allocation,
    hosts: Sequence[str],
    session_id: str,
    folder: Path,
    command: Sequence[str],
    more: Sequence[str] = (),
) -> list[str]:
    """One task on each of the hosts, which starts its node's ranks by `command`. more: further options of srun."""
    return [
        "srun",
        f"--nodes={len(hosts)}",
        f"--ntasks={len(hosts)}",
        "--ntasks-per-node=1",
        f"--nodelist={','.join(hosts)}",
        *([f"--gpus-per-node={allocation.gpus}"] if allocation.gpus else []),
        # One rank that is lost ends all: the others would wait for it for ever.
        "--kill-on-bad-exit=1",
        f"--wait={WAIT_S}",
        # torchrun starts the ranks; a process manager beside it would only open ports.
        "--mpi=none",
        f"--job-name={session_id}",
        *more,
        *python_module("harness.cluster.node", str(folder), *command),
    ]


def srun_variables(
    allocation: Allocation,
    hosts: Sequence[str],
    addresses: Sequence[str],
    ranks: Sequence[int],
) -> dict[str, str]:
    """What a session's nodes must know, beside the variables of a local session."""
    return {
        # srun does not take the job's --cpus-per-task from 22.05 on; without it a task has one core.
        "SRUN_CPUS_PER_TASK": str(allocation.cpus),
        HOSTS_VARIABLE: ",".join(hosts),
        ADDRESSES_VARIABLE: ",".join(addresses),
        SPREAD_VARIABLE: ",".join(map(str, ranks)),
    }


def on_this_node(command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The torchrun command with this node's values in it. Raises KeyError or ValueError outside a session's node."""
    place = place_of_node(environ)
    values = {
        ADDRESS: environ[ADDRESSES_VARIABLE].split(",")[place],
        IS_HOST: str(place == 0).lower(),
        RANKS: environ[SPREAD_VARIABLE].split(",")[place],
        NODE: environ["SLURMD_NODENAME"],
    }
    words = list(command)
    for name, value in values.items():
        words = [word.replace(name, value) for word in words]
    return words


def place_of_node(environ: Mapping[str, str]) -> int:
    """Which of the session's nodes this is, from 0."""
    return environ[HOSTS_VARIABLE].split(",").index(environ["SLURMD_NODENAME"])
