"""What the ranks of a cell do together or not at all: a failure on one of them is a failure on all.

In: something to do. Out: its outcome, or None on every rank, and why in the records of the rank where it failed.
Must not know what is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.core import schema
from harness.devices.out_of_memory import is_out_of_memory
from harness.environments.driving.task import DriverError
from harness.modes.proof import Unproven
from harness.plan.points import Cell, Point
from harness.worker.cells.bench import Bench
from harness.worker.cells.refused import refused_by_compiler
from harness.workloads.comparison import Mismatch

T = TypeVar("T")

# Of what an exception says, so much is written down.
LONGEST_REASON = 300


class SessionBroken(Exception):
    """This rank failed within a collective operation: the others wait for it and can only be ended."""


class Agreement:
    """The ranks of one session about one cell. Raises OSError where a record cannot be written."""

    def __init__(self, cell: Cell, bench: Bench) -> None:
        self._cell_id = cell.id
        self._bench = bench
        # Whether a failure of this rank leaves no other rank waiting inside a collective operation.
        self.alone = cell.points[0].workload == "forward" or bench.ranks.world_size == 1

    def agree(self, points: Sequence[Point], action: Callable[[], T]) -> T | None:
        """Do something on every rank; None, unless it went well on all. Collective.

        points: those that fail with it; none where it is nothing that a row is lost by. Raises
        SessionBroken, as attempt does.
        """
        value = self.attempt(points, action)
        failed = self._bench.ranks.any(value is None)
        self._bench.sender.send("progress")
        return None if failed else value

    def attempt(self, points: Sequence[Point], action: Callable[[], T]) -> T | None:
        """Do something on this rank; None, and why written down for each point, if it failed here.

        What becomes of it on other ranks is still to be asked. Raises SessionBroken where they cannot be asked.
        """
        try:
            return action()
        except Exception as error:  # a mode may raise anything; a failed point is a row, not a lost sweep
            for point in points:
                self._write_dropped(point, error)
            # What a mode is, and what it cannot do with a model, each rank finds by itself: no other one waits for it
            # meanwhile.
            together = not self.alone and not is_unsupported(error)
            if together or any(device.is_broken() for device in self._bench.issuers.devices):
                raise SessionBroken(described(error)) from error
        self._bench.device.free_cached_memory()
        return None

    def _write_dropped(self, point: Point, error: Exception) -> None:
        self._bench.writer.write(
            "dropped",
            cell=self._cell_id,
            mode=point.mode,
            key=point.key,
            status=_status(error),
            error=described(error),
            at_ns=time.monotonic_ns(),
        )


def described(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    if isinstance(error, (Mismatch, Unproven, DriverError)):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:LONGEST_REASON]}" if lines else type(error).__name__


def _status(error: Exception) -> str:
    if isinstance(error, Mismatch):
        return schema.MISMATCH
    if isinstance(error, DriverError):
        return error.status
    if is_out_of_memory(error):
        return schema.OOM
    return schema.UNSUPPORTED if is_unsupported(error) else schema.FAILED


def is_unsupported(error: Exception) -> bool:
    """Whether trying again is of no use: a mode is not what it says, or its compiler refuses the model."""
    return isinstance(error, Unproven) or (not is_out_of_memory(error) and refused_by_compiler(error))
