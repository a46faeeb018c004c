"""The launcher of sessions on nodes of a SLURM job: srun, and torchrun on each node.

In: a checked Config, and the job's environment. Out: the command and variables of a session, and how its ranks are
reached. Must not know records or what became of earlier sessions.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from harness.cluster.allocation import Allocation
from harness.cluster.node import save_nodes_file
from harness.cluster.slurm_commands import addresses_of, is_alive, nodes_left
from harness.cluster.srun import (
    SLICE_VARIABLE,
    ranks_of_nodes,
    srun_command,
    srun_variables,
    torchrun_on_nodes,
)
from harness.cluster.srun_reach import SrunReach
from harness.core.errors import ConfigError
from harness.launch.launcher import Start
from harness.launch.torchrun import session_variables
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Session

# Samplers write a file each. A job that is started again may have other nodes under the same places.
NUMBERS_PER_START = 10_000


def free_port() -> int:
    """A port that was free on this machine a moment ago: in a job, the first of its nodes."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


class SlurmLauncher:
    """A Launcher (harness.launch.launcher): srun, and torchrun on each node. Raises ConfigError outside a job."""

    meets_in_file = False

    def __init__(self, config: Config) -> None:
        self.config = config
        if "SLURMD_NODENAME" not in os.environ:
            # What this machine has would be taken for what the nodes have.
            raise ConfigError(
                "launcher",
                "slurm",
                "on a node of a SLURM job, as from a batch script: sbatch slurm/sweep.sbatch",
            )
        self.allocation = Allocation.from_environment()
        hosts = self.allocation.hosts
        self.addresses = dict(zip(hosts, addresses_of(hosts), strict=True))
        # Several slurmd on one host, as in the tests: then an emulated node can be cut into parts.
        self.one_machine = len(set(self.addresses.values())) == 1
        self._left = hosts
        self._slice = 0

    def node_config(self) -> Config:
        profile = self.config.emulator
        if profile is None or not self.one_machine:
            return self.config
        per_node = self.config.launcher.devices_per_node or profile.devices
        return replace(self.config, emulator=replace(profile, devices=per_node * len(self.allocation.hosts)))

    def inventory(self, found: Inventory) -> Inventory:
        asked, nodes = self.config.launcher.devices_per_node, len(self.allocation.hosts)
        if found.kind == "cpu":
            count = asked or self.allocation.gpu_count or max(1, found.cores // self.config.device.threads)
        elif found.kind == "emulated" and self.config.emulator is not None:
            count = asked or self.config.emulator.devices
            if self.one_machine:
                self._slice = count
            else:
                nodes = 1  # what is emulated has no network to another machine's
        else:
            count = min(found.count, asked or found.count)
        return replace(found, count=count, nodes=nodes, allocated=True)

    def start(
        self, session: Session, session_id: str, folder: Path, nodes: int, tell: Callable[[str], None]
    ) -> Start:
        allocation, hosts = self.allocation, self._left[:nodes]
        addresses = [self.addresses[host] for host in hosts]
        torchrun = torchrun_on_nodes(nodes, addresses[0], free_port(), allocation.job, session_id, folder)
        variables = session_variables(self.config.device.threads)
        # One port for all: the ranks meet in the store in which torchrun's nodes met.
        variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "0"
        if nodes > 1:
            # Each node finds out gloo's; NCCL finds the fast network by itself. Both can be set in slurm/site.env.
            for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
                variables.pop(name)
        ranks = ranks_of_nodes(session.controller, session.devices, nodes)
        variables |= srun_variables(allocation, hosts, addresses, ranks)
        if self._slice:
            variables[SLICE_VARIABLE] = str(self._slice)
        more = self.config.launcher.srun_args
        return Start(
            srun_command(allocation, hosts, session_id, folder, torchrun, more),
            variables,
            SrunReach(tell, os.environ["SLURM_JOB_ID"]),
        )

    def write_nodes_file(self, folder: Path, run: Path) -> None:
        first = int(os.environ.get("SLURM_RESTART_COUNT", "0")) * NUMBERS_PER_START
        numbers = {host: first + place for place, host in enumerate(self.allocation.hosts)}
        save_nodes_file(folder, run, self.config.monitor, numbers)

    def sampler(self, run: Path, variables: Mapping[str, str]) -> AbstractContextManager[object]:
        return contextlib.nullcontext()  # every node of a session has its own

    def nodes_left(self) -> int | None:
        left = nodes_left(self.allocation.job)
        if left is not None:
            self._left = tuple(host for host in self.allocation.hosts if host in left)
        return len(self._left)

    def is_ending(self) -> bool:
        # A controller that does not answer is no sign that the job ends.
        return is_alive(self.allocation.job, running_only=True) is False
