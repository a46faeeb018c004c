"""The launcher of sessions on nodes of a SLURM job: srun, and torchrun on each node.

In: a checked Config, and the job. Out: the command and variables of a session, and how its ranks are reached. Must not
know what became of earlier sessions.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.cluster.jobs import slurm_commands
from harness.cluster.jobs.job import Job
from harness.cluster.jobs.starts import note_progress
from harness.cluster.node import save_nodes_file
from harness.cluster.nodes import alike, ask_nodes
from harness.cluster.srun import (
    SLICE_VARIABLE,
    inherited,
    node_python,
    ranks_of_nodes,
    srun_command,
    srun_variables,
    torchrun_on_nodes,
)
from harness.cluster.srun_reach import SrunReach
from harness.core.errors import ConfigError
from harness.core.processes.children import python_module
from harness.launch.launcher import Start
from harness.launch.torchrun import session_variables
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Session
from harness.records.files import results_folder

# Samplers write a file each. A job that is started again may have other nodes under the same places.
NUMBERS_PER_START = 10_000
# Below those that systems give out by themselves.
PORTS = range(20_000, 32_000)


def free_port(host: str) -> int:
    """A port for ranks to meet on: one that was free a moment ago, where this is the host; else one by chance."""
    if os.environ.get("SLURMD_NODENAME") != host:
        return random.SystemRandom().choice(PORTS)
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


class SlurmLauncher:
    """A Launcher (harness.launch.launcher): srun, and torchrun on each node of the job."""

    meets_in_file = False

    def __init__(self, config: Config, job: Job) -> None:
        self.config, self.job = config, job
        self.addresses = dict(zip(job.hosts, slurm_commands.addresses_of(job.hosts), strict=True))
        # Several slurmd on one host, as in the tests: then an emulated node can be cut into parts.
        self.one_machine = len(set(self.addresses.values())) == 1
        self._slice = 0
        self._has_progressed = False

    def node_config(self) -> Config:
        profile = self.config.emulator
        if profile is None or not self.one_machine:
            return self.config
        per_node = self.config.launcher.devices_per_node or profile.devices
        return replace(self.config, emulator=replace(profile, devices=per_node * len(self.job.hosts)))

    def probe(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """All nodes are asked, by srun as ranks are started: in their container, if they have one."""
        options = self.config.launcher
        environ = {**os.environ, **variables}
        return alike(ask_nodes(self.job, environ, options.srun_args, options.startup_timeout_s))

    def inventory(self, found: Inventory) -> Inventory:
        job, asked, nodes = self.job, self.config.launcher.devices_per_node, len(self.job.hosts)
        if found.kind == "cpu":
            if self.config.device.kind != "cpu":
                gpus = min(job.gpus)
                raise ConfigError(
                    "device",
                    self.config.device.kind,
                    "device=cpu, or a torch that sees GPUs of the job: "
                    + (
                        f"SLURM has given it {gpus} on each node"
                        if gpus
                        else "it has none (--gpus-per-node=8)"
                    )
                    + f", and torch sees none{found.aside}",
                )
            count = asked or min(job.gpus) or max(1, found.cores // self.config.device.threads)
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
        job, hosts = self.job, self.job.hosts[:nodes]
        addresses = [self.addresses[host] for host in hosts]
        port = free_port(hosts[0])
        torchrun = torchrun_on_nodes(nodes, addresses[0], port, job.identity.name, session_id, folder)
        variables = session_variables(self.config.device.threads)
        # One port for all: the ranks meet in the store in which torchrun's nodes met.
        variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "0"
        if nodes > 1:
            # Each node finds out gloo's; NCCL finds the fast network by itself. Both can be set in slurm/site.env.
            for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
                variables.pop(name)
        ranks = ranks_of_nodes(session.controller, session.devices, nodes)
        variables |= srun_variables(hosts, addresses, ranks)
        if self._slice:
            variables[SLICE_VARIABLE] = str(self._slice)
        node = python_module("harness.cluster.node", str(folder), *torchrun, python=node_python(os.environ))
        return Start(
            srun_command(job, hosts, session_id, node, self.config.launcher.srun_args),
            variables,
            SrunReach(tell, job.id),
            inherited(os.environ),
        )

    def write_nodes_file(self, folder: Path, run: Path) -> None:
        first = self.job.identity.restarts * NUMBERS_PER_START
        numbers = {host: first + place for place, host in enumerate(self.job.hosts)}
        save_nodes_file(folder, run, self.config.monitor, numbers)

    def sampler(self, run: Path, variables: Mapping[str, str]) -> AbstractContextManager[object]:
        return contextlib.nullcontext()  # every node of a session has its own

    def progressed(self) -> None:
        if not self._has_progressed:
            self._has_progressed = True
            note_progress(results_folder(), self.job.identity)

    def is_ending(self) -> bool:
        return slurm_commands.is_ending(self.job.identity.name)
