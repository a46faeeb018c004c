"""A session whose ranks all run on this machine: their output is their own, and they are asked by signals.

In: a session's processes. Out: their output as it is, stacks of those that hang. Must not know other machines.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from ground.private import private_folder
from harness.launch.cause_of_death import cause_of_death
from harness.launch.torchrun import temporary_variables

# What each hanging rank is given to write down where it is, before it is killed.
STACKS_S = 0.2


class LocalReach:
    """A Reach of ranks that are children of this machine's torchrun."""

    told_to_end = False

    @contextlib.contextmanager
    def variables(self) -> Iterator[Mapping[str, str]]:
        with private_folder("ranks") as folder:
            yield temporary_variables(folder)

    def hear(self, line: str) -> tuple[list[dict[str, Any]], str | None]:
        return [], line  # messages come over the socket

    def ask_for_stacks(self, here: Mapping[int, psutil.Process]) -> Iterator[str]:
        """One after the other (faulthandler on SIGUSR1), so that their lines do not mix."""
        for number, rank in sorted(here.items()):
            try:
                rank.send_signal(signal.SIGUSR1)
            except (psutil.NoSuchProcess, OSError):
                continue
            time.sleep(STACKS_S)
            yield f"rank {number} is here:"

    def end(self, command: subprocess.Popen[bytes]) -> None:
        """All of them run here."""

    def cause_of_death(self, lines: list[str], returncode: int) -> tuple[str, bool]:
        return cause_of_death(lines, returncode)


LOCAL = LocalReach()
