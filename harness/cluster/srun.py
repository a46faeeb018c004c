"""The command line of srun that starts something on some of a job's nodes, and what each node makes of a session.

In: a Job, the session's nodes. Out: command lines and variables. Starts nothing and asks no daemon. Must not
know sweeps or records.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.cluster.jobs.job import Job
from harness.core.controllers import CONTROLLERS
from harness.launch.torchrun import TORCHRUN_LOOKS_EVERY_S, rank_command, torchrun

# Once a node's ranks have ended, the others are given so long: they end together or not at all.
WAIT_S = 30
# A rendezvous that lacks a node is given up after this time; launcher.startup_timeout_s ends it sooner or later.
JOIN_S = 240

# What a node replaces in its torchrun command: it alone knows which node it is.
ADDRESS, IS_HOST, RANKS, NODE, PYTHON = "%ADDRESS", "%IS_HOST", "%RANKS", "%NODE", "%PYTHON"
# The nodes of a session, the address of each, and how many ranks it starts: by the same place in each list.
HOSTS_VARIABLE, ADDRESSES_VARIABLE, SPREAD_VARIABLE = (
    "HARNESS_NODES",
    "HARNESS_NODE_ADDRESSES",
    "HARNESS_NODE_RANKS",
)
# By which a node starts this program, where it is not by the file that runs here: of a container, say. Of those that
# are set, the first counts.
PYTHON_VARIABLES = ("HARNESS_NODE_PYTHON", "HARNESS_PYTHON")
# Of what srun and SLURM read, all that is inherited: how to reach the controller.
_REACHES = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
_READ_BY_SLURM = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SALLOC_")
# Set where all nodes are parts of one emulated machine: devices of each part.
SLICE_VARIABLE = "HARNESS_NODE_SLICE"


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
        *torchrun(PYTHON),
        f"--nnodes={nodes}",
        f"--nproc-per-node={RANKS}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={f'[{address}]' if ':' in address else address}:{port}",  # of IPv6 in brackets
        # Said rather than left to be found out: names of a cluster need not be those the machine knows itself by.
        f"--rdzv-conf=is_host={IS_HOST},join_timeout={JOIN_S}",
        f"--rdzv-id={rendezvous_id(job, session_id)}",
        f"--local-addr={ADDRESS}",
        "--max-restarts=0",
        f"--monitor-interval={TORCHRUN_LOOKS_EVERY_S}",
        f"--log-dir={folder / 'torchrun'}-{NODE}",
        *rank_command(folder, PYTHON),
    ]


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that srun is started in: without what it would take for options of this step.

    A variable of the job's own (--cpus-per-task, --mem-per-cpu), or of another job from within which this one was
    submitted, would be an option; of two that exclude each other srun dies.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _REACHES or not name.startswith(_READ_BY_SLURM)
    }


def node_python(environ: Mapping[str, str]) -> str:
    """By which Python, or script in its place, a node starts this program."""
    named = next((environ[name] for name in PYTHON_VARIABLES if environ.get(name)), sys.executable)
    # srun starts it in another folder, perhaps; a bare name is looked for on the path there.
    return str(Path(named).absolute()) if os.sep in named else named


def srun_command(
    job: Job,
    hosts: Sequence[str],
    name: str,
    command: Sequence[str],
    more: Sequence[str] = (),
) -> list[str]:
    """One task on each of the hosts, which has all that the job has there. more: further options of srun."""
    places = [job.hosts.index(host) for host in hosts]
    gpus = min(job.gpus[place] for place in places)
    return [
        "srun",
        f"--jobid={job.id}",
        f"--nodes={len(hosts)}",
        f"--ntasks={len(hosts)}",
        "--ntasks-per-node=1",
        f"--nodelist={','.join(hosts)}",
        # From 22.05 on a task has one core where nothing is said.
        f"--cpus-per-task={min(job.cpus[place] for place in places)}",
        *([f"--gpus-per-node={gpus}"] if gpus else []),
        "--mem=0",
        # Also beside the step that an interactive job's shell is, which holds all that the job has.
        "--overlap",
        # Whatever --export a site or a user has the job submitted with: ranks need the variables of a session.
        "--export=ALL",
        # One rank that is lost ends all: the others would wait for it for ever.
        "--kill-on-bad-exit=1",
        f"--wait={WAIT_S}",
        # torchrun starts the ranks; a process manager beside it would only open ports.
        "--mpi=none",
        f"--job-name={name}",
        *more,
        *command,
    ]


def srun_variables(hosts: Sequence[str], addresses: Sequence[str], ranks: Sequence[int]) -> dict[str, str]:
    """What a session's nodes must know, beside the variables of a local session."""
    return {
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
        # Of this node, or of the container that it stands in.
        PYTHON: sys.executable,
    }
    words = list(command)
    for name, value in values.items():
        words = [word.replace(name, value) for word in words]
    return words


def place_of_node(environ: Mapping[str, str]) -> int:
    """Which of the session's nodes this is, from 0."""
    return environ[HOSTS_VARIABLE].split(",").index(environ["SLURMD_NODENAME"])
