"""The processes of one session on this machine: which are its own, which of them are ranks, and their end.

In: the command that was started. Out: its processes, ended. Must not know what they say, nor other machines.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass, field

import psutil

from harness.session.progress import CREDENTIALS

# Killed processes are gone within this time, or the kernel holds on to them.
KILLED_WITHIN_S = 10.0


def _lives(process: psutil.Process) -> bool:
    """Whether a process still runs. A zombie does not: where process 1 reaps none, it stays for ever."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass
class Processes:
    """command: as it was started. ranks: those that have said that they are there. own: ids known to be of it."""

    command: subprocess.Popen[bytes]
    ranks: dict[int, psutil.Process] = field(default_factory=dict)
    own: set[int] = field(default_factory=set)

    def has(self, pid: int) -> bool:
        """Whether a process is of the session: the one that was started, or one that descends from it."""
        if not CREDENTIALS:
            return True
        with contextlib.suppress(psutil.Error):
            started = self.command.pid
            if pid == started or (
                pid not in self.own and any(above.pid == started for above in psutil.Process(pid).parents())
            ):
                self.own.add(pid)
        return pid in self.own

    def note_rank(self, rank: int, pid: int) -> None:
        """Keep a rank's process in mind, by which it is found even when its parent is gone."""
        if pid in self.own:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.ranks[rank] = psutil.Process(pid)

    def family(self) -> list[psutil.Process]:
        """All that are known of now, but for the command."""
        family = list(self.ranks.values())
        with contextlib.suppress(psutil.NoSuchProcess):
            family += psutil.Process(self.command.pid).children(recursive=True)
        return family

    def kill(self, family: list[psutil.Process]) -> None:
        """Kill the command and these. Nothing is lost: every record was written when it arose."""
        if self.command.poll() is None:
            self.command.kill()
        for each in family:
            # psutil compares the start time, so a number that was given to another process is left alone.
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.command.wait()
        end = time.monotonic() + KILLED_WITHIN_S
        while any(map(_lives, family)) and time.monotonic() < end:
            time.sleep(0.02)
        if self.command.stdout is not None:
            self.command.stdout.close()
