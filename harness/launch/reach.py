"""How the processes of a session are heard, asked and ended, wherever they run: the protocol.

In: what a session's command prints, and the command itself. Out: messages of the ranks, lines for the log, why it died.
Must not know how the command is watched, nor any way to reach a machine.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import psutil


class Reach(Protocol):
    """How the processes of a session are reached, which a command on this machine has started here or elsewhere."""

    @property
    def told_to_end(self) -> bool:
        """Whether the session's processes were ended from outside, with all that it is part of."""

    def variables(self) -> AbstractContextManager[Mapping[str, str]]:
        """Within: what the command's environment needs so that its ranks have places of their own."""

    def hear(self, line: str) -> tuple[list[dict[str, Any]], str | None]:
        """A line of the command's output to messages of the ranks, and what of it belongs into the log."""

    def ask_for_stacks(self, here: Mapping[int, psutil.Process]) -> Iterator[str]:
        """Have every rank say where it hangs, which comes as lines of output.

        here: ranks that run on this machine. Yields when answers have had their time, with a line to put before
        them, or "".
        """

    def end(self, command: subprocess.Popen[bytes]) -> None:
        """End what the command has started on other machines. What runs on this one is killed thereafter."""

    def cause_of_death(self, lines: list[str], returncode: int) -> tuple[str, bool]:
        """Why the command died, in one line, and whether by a signal. lines: the last that belonged into the log."""
