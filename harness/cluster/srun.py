"""The command line of srun that starts a session on some of a job's nodes, and what each node makes of it.

In: an Allocation, the session's nodes. Out: command lines and variables. Starts nothing and asks no daemon. Must not
know sweeps or records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.cluster.allocation import Allocation
from harness.core.controllers import CONTROLLERS
from harness.core.processes.children import python_module
from harness.launch.torchrun import TORCHRUN_LOOKS_EVERY_S, rank_command, torchrun

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
