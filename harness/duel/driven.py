"""The one door to processes that measure: what a duel asks of them.

In: what can be started. Out: an Arm. Must not know what is compared, nor how a process is spoken to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.environments.driving.task import DriverError, Task

__all__ = ["A_AGAIN", "A", "Arm", "B", "Driven", "DriverError", "Task"]

# The arms of every duel: what is compared with, the same once more, and what is compared with it.
A, A_AGAIN, B = "a", "a2", "b"


class Driven(Protocol):
    """A process of an environment, asleep unless it is asked (harness.environments.driving)."""

    @property
    def facts(self) -> Mapping[str, str]:
        """Of the build: Python, framework, threads, allocator, ..."""

    def prepare(self, task: Task) -> tuple[list[float], ...]:
        """Answers its output on the seeded input. Raises DriverError, as all of these do."""

    def warm(self, block_ns: float, limit_s: float) -> int:
        """Answers the steps of a block of that length."""

    def block(self, steps: int, lead: int) -> float:
        """Answers the nanoseconds of so many steps, after `lead` untimed ones."""

    def close(self) -> None:
        """Ends the process."""


@dataclass(frozen=True)
class Arm:
    """name: by which contrasts know it. said: what the user calls it. open: starts a fresh process of it."""

    name: str
    said: str
    open: Callable[[], Driven]
