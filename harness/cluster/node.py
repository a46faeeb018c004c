"""One node of a session that spans several: srun starts `python -m harness.cluster.node FOLDER TORCHRUN...` on each.

In: the session's folder, torchrun's command but for what the node knows itself, SLURM's environment. Out: the ranks
run and ended as on a single machine; what they say goes to standard output as JSON, a line each, which srun carries
to the launcher: no port is opened for it, and no file is waited for. Must not know points, nor what other nodes do.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from harness.cluster.srun import (
    ADDRESSES_VARIABLE,
    HOSTS_VARIABLE,
    SLICE_VARIABLE,
    on_this_node,
    place_of_node,
)
from harness.core.processes.interrupt import Interrupted, signals_raise
from harness.launch.cause_of_death import is_consequence
from harness.launch.run import DIED, FINISHED, run_session
from harness.monitor import start as start_sampler
from harness.plan.config import MonitorConfig

# Beside session.json: what a node needs to know of the run.
NODES_FILE = "nodes.json"

# What a node says: a message of a rank, a line of output, how its ranks ended.
EVENT, LINE, ENDED = "event", "line", "ended"
# srun ends all nodes with the first that fails. One that only misses another's rank leaves that one so long to say what
# it has lost: its torchrun looks a few times a second.
CAUSE_WITHIN_S = 2.0
# How they ended where SLURM sent SIGTERM, as it does before it takes nodes away.
TOLD_TO_END = "told to end"


def save_nodes_file(folder: Path, run: Path, monitor: MonitorConfig, numbers: Mapping[str, int]) -> None:
    """numbers: host -> number of its sampler's file, a different one for each node that the run ever has."""
    plain = {"run": str(run), "monitor": asdict(monitor), "numbers": dict(numbers)}
    (folder / NODES_FILE).write_text(json.dumps(plain), encoding="utf-8")


class _Voice:
    """Where the ranks' output goes: to the launcher, with the node's name."""

    def __init__(self, node: str) -> None:
        self.node = node

    def say(self, kind: str, said: Any) -> None:
        print(json.dumps({"node": self.node, kind: said}), flush=True)

    def write(self, text: str, /) -> None:
        for line in text.splitlines():
            self.say(LINE, line)

    def flush(self) -> None:
        """Each line has gone already."""


def main(arguments: list[str]) -> int:
    """Answers the exit status: 0 if all ranks of this node ended well."""
    folder, command = Path(arguments[0]), on_this_node(arguments[1:], os.environ)
    voice = _Voice(os.environ["SLURMD_NODENAME"])
    # Sent to every process of the step, so that ranks say where they hang; torchrun inherits that it is ignored.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # srun or SLURM wants the node's part to end. Without this, that would be told as a failure of this program.
    with contextlib.suppress(Interrupted), signals_raise():
        plain = json.loads((folder / NODES_FILE).read_text(encoding="utf-8"))
        number = plain["numbers"][voice.node]
        variables = node_variables(os.environ)
        with start_sampler(Path(plain["run"]), MonitorConfig(**plain["monitor"]), variables, number):
            ending = run_session(
                command,
                variables,
                voice,
                # The launcher, who hears of progress on all nodes, says when it has been too long.
                timeout_s=math.inf,
                startup_timeout_s=math.inf,
                on_event=lambda message: voice.say(
                    EVENT, {**message, "step": f"{os.environ['SLURM_JOB_ID']}.{os.environ['SLURM_STEP_ID']}"}
                ),
                on_tick=lambda: None,
            )
        voice.say(ENDED, {"how": ending.how, "reason": ending.reason, "killed": ending.killed})
        if ending.how == DIED and is_consequence(ending.reason):
            time.sleep(CAUSE_WITHIN_S)
        return 0 if ending.how == FINISHED else 1
    voice.say(ENDED, {"how": TOLD_TO_END})
    return 128 + signal.SIGTERM


def node_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What differs from node to node in the ranks' environment."""
    place, nodes = place_of_node(environ), len(environ[HOSTS_VARIABLE].split(","))
    variables: dict[str, str] = {}
    if nodes > 1 and "GLOO_SOCKET_IFNAME" not in environ:
        address = environ[ADDRESSES_VARIABLE].split(",")[place]
        if interface := interface_of(address):
            variables["GLOO_SOCKET_IFNAME"] = interface
    if SLICE_VARIABLE in environ:
        size = int(environ[SLICE_VARIABLE])
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(place * size, (place + 1) * size)))
    return variables


def interface_of(address: str) -> str | None:
    """Name of this machine's interface that has the address; None where there is none."""
    with contextlib.suppress(OSError):
        numbers = {found[4][0] for found in socket.getaddrinfo(address, None)}
        for name, addresses in psutil.net_if_addrs().items():
            # Of IPv6 with the interface behind it: fe80::1%eth0.
            if any(each.address.partition("%")[0] in numbers for each in addresses):
                return str(name)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
