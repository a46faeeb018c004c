"""What a sweep asks of whatever starts its sessions: the protocol of launchers.

In: nothing. Out: the protocol, and Start: a session's command, its variables, and how its ranks are reached. Must not
know any way to start one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.launch.reach import Reach
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Session


@dataclass(frozen=True)
class Start:
    """How to start one session. variables: beside those that it inherits. reach: how its ranks are heard, asked and
    ended."""

    command: list[str]
    variables: dict[str, str]
    reach: Reach
    inherited: Mapping[str, str]


class Launcher(Protocol):
    """A way to start sessions."""

    @property
    def meets_in_file(self) -> bool:
        """Whether the ranks meet in a file of the session's folder."""

    def node_config(self) -> Config:
        """The config whose emulated node is to be made, if any."""

    def probe(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """What torch is and sees where sessions run (harness.machine.probe). variables: as ranks will have them.

        Raises HarnessError where there is no working torch.
        """

    def inventory(self, found: Inventory) -> Inventory:
        """What there is for a session, from what torch sees. Raises ConfigError where that is not to be measured."""

    def start(
        self, session: Session, session_id: str, folder: Path, nodes: int, tell: Callable[[str], None]
    ) -> Start | None:
        """How to start a session on so many nodes; None where that is only planned. folder: its own; tell: shows a line
        to whoever watches the sweep."""

    def write_nodes_file(self, folder: Path, run: Path) -> None:
        """What the nodes of a session read, into its folder."""

    def sampler(self, run: Path, variables: Mapping[str, str]) -> AbstractContextManager[object]:
        """The sampler beside the whole sweep, where it runs on this machine."""

    def progressed(self) -> None:
        """Be told that something was measured."""

    def is_ending(self) -> bool:
        """Whether all is being ended from outside, so that a death says nothing of the session."""
