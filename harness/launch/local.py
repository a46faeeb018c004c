"""The launcher of sessions on this machine: torchrun, started here.

In: a checked Config. Out: the command and variables of a session, and its sampler. Must not know records, other
machines, or what became of earlier sessions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from harness.launch.launcher import Start
from harness.launch.local_reach import LOCAL
from harness.launch.torchrun import session_variables, torchrun_command
from harness.machine.environment import probe_torch
from harness.monitor import start as start_sampler
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Session


class LocalLauncher:
    """A Launcher (harness.launch.launcher): torchrun on this machine."""

    meets_in_file = True

    def __init__(self, config: Config) -> None:
        self.config = config

    def node_config(self) -> Config:
        return self.config

    def probe(self, variables: Mapping[str, str]) -> dict[str, Any]:
        return probe_torch(variables)

    def inventory(self, found: Inventory) -> Inventory:
        return found

    def start(
        self, session: Session, session_id: str, folder: Path, nodes: int, tell: Callable[[str], None]
    ) -> Start:
        variables = session_variables(self.config.device.threads)
        return Start(torchrun_command(session.ranks, session_id, folder), variables, LOCAL, os.environ)

    def write_nodes_file(self, folder: Path, run: Path) -> None:
        """This machine knows all that its ranks need."""

    def sampler(self, run: Path, variables: Mapping[str, str]) -> AbstractContextManager[object]:
        return start_sampler(run, self.config.monitor, variables)

    def progressed(self) -> None:
        """Nobody starts this sweep again by itself."""

    def is_ending(self) -> bool:
        return False
