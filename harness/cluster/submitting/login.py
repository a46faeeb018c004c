"""What a job would do, planned where it is submitted: on a login node, which has nothing of what its nodes have.

In: a checked Config of a dry run, and what the nodes are said to have. Out: an Inventory of them, and the line that
submits the job. Starts nothing. Must not know what became of earlier sessions.
"""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.cluster.submitting.submission import SWEEP
from harness.core.emulated import EMULATED
from harness.core.errors import ConfigError
from harness.core.files.plain import read_json
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Session
from harness.records.files import ENVIRONMENT_FILE

# What slurm/sweep.sbatch asks for by itself.
GPUS_OF_SCRIPT = 8
# Beside what the sweep takes at most: starting, and being wrong about the nodes.
TIME_TIMES, TIME_MORE_S, TIME_STEP_S = 1.5, 900, 900


class LoginLauncher:
    """A Launcher (harness.launch.launcher) for dry runs alone. Raises ConfigError where nothing says what the nodes
    have."""

    meets_in_file = False

    def __init__(self, config: Config) -> None:
        self.config = config
        if config.emulator is None and config.like is None:
            raise ConfigError(
                "launcher",
                "slurm",
                "beside dry_run=true outside of a job: emulator=NAME (a profile of such nodes) or like=RUN (a run on "
                "such nodes), since what nodes have is not seen from here",
            )

    def node_config(self) -> Config:
        return replace(self.config, emulator=None)  # nothing is made here

    def probe(self, variables: Mapping[str, str]) -> dict[str, Any]:
        if self.config.like is not None:
            return _of_run(Path(self.config.like))
        profile = self.config.emulator
        assert profile is not None
        # Of the real ones: nothing is emulated there.
        device = {"name": profile.name.removeprefix(EMULATED), "memory_mib": profile.memory_mib}
        known = {"torch": "", "built_for_cuda": "", "cpu_name": f"the CPU beside {device['name']}"}
        return {**known, "devices": [device] * profile.devices}

    def inventory(self, found: Inventory) -> Inventory:
        count = self.config.launcher.devices_per_node or self._as_there(found)
        nodes = math.ceil(max(self.config.devices) / count)
        return replace(found, count=count, nodes=nodes, allocated=True)

    def _as_there(self, found: Inventory) -> int:
        """Devices of a node. On device=cpu a job has as many ranks a node as SLURM has given it GPUs."""
        if self.config.like is not None:
            environment = read_json(Path(self.config.like) / ENVIRONMENT_FILE) or {}
            present = environment.get("devices_present")
            if environment.get("device_kind") == found.kind and type(present) is int and present > 0:
                return present
        elif found.kind == "cpu" and self.config.emulator is not None:
            return self.config.emulator.devices
        return found.count

    def start(
        self, session: Session, session_id: str, folder: Path, nodes: int, tell: Callable[[str], None]
    ) -> None:
        """Which nodes a session would run on is known in the job."""

    def write_nodes_file(self, folder: Path, run: Path) -> None:
        raise AssertionError("a dry run starts nothing")

    def sampler(self, run: Path, variables: Mapping[str, str]) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    def progressed(self) -> None:
        raise AssertionError("a dry run measures nothing")

    def is_ending(self) -> bool:
        return False


def submissions(overrides: Sequence[str], inventory: Inventory, most_s: float) -> tuple[str, str]:
    """The lines that submit the job: with what is checked first, and by sbatch alone. overrides: as they were typed;
    most_s: what the sweep may take."""
    # Of CPUs, count is their cores.
    otherwise = inventory.kind != "cpu" and inventory.count != GPUS_OF_SCRIPT
    gpus = [f"--gpus-per-node={inventory.count}"] if otherwise else []
    seconds = math.ceil((most_s * TIME_TIMES + TIME_MORE_S) / TIME_STEP_S) * TIME_STEP_S
    time = f"--time={seconds // 3600:02}:{seconds % 3600 // 60:02}:00"
    kept = [word for word in overrides if not _is_of_plan(word, inventory)]
    options = [f"--nodes={inventory.nodes}", *gpus, time]
    return shlex.join(["slurm/submit", *options, *kept]), shlex.join(["sbatch", *options, SWEEP, *kept])


def _is_of_plan(override: str, inventory: Inventory) -> bool:
    """Whether it is for a dry run alone; a job is given its launcher by its script."""
    key, _, value = override.partition("=")
    if key == "launcher":
        return value == "slurm"
    return key in ("dry_run", "like") or (key == "emulator" and inventory.kind != "emulated")


def _of_run(path: Path) -> dict[str, Any]:
    """As torch would say it, of the nodes of a run. Raises ConfigError where it does not say."""
    environment = read_json(path / ENVIRONMENT_FILE) or {}
    torch, cpu = environment.get("torch"), environment.get("cpu")
    if not isinstance(torch, dict) or not isinstance(torch.get("devices"), list) or not isinstance(cpu, dict):
        raise ConfigError("like", path, f"a run directory with an {ENVIRONMENT_FILE} of this harness")
    known = {"torch": "", "built_for_cuda": "", "cpu_name": str(environment.get("device_name", ""))}
    return {**known, **torch, "cores": cpu.get("cores_usable")}
