"""The plain script in a process of its own, asked for a block at a time.

In: a point, and the cores to run on. Out: microseconds a step. Must not know what it is held against.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from benchmarks.beside import script


class Peer:
    """A process that ends with its input, so with the process that started it at the latest."""

    def __init__(
        self, point: Any, rank: int, store: Path, *, allowed: Collection[int], pinned: Sequence[int] | None
    ) -> None:
        """Started, and not waited for. store: a file in which the peers of all ranks meet. allowed: cores of the
        process; pinned: those of its main thread, None for all of them."""
        words = [sys.executable, "-W", "ignore::FutureWarning", str(script.__file__)]
        words += ["--sizes", *map(str, point.sizes), "--batch", str(point.rank_batch)]
        words += ["--script"] if point.mode == "script" else []
        if point.workload == "train":
            words += ["--train", "--store", str(store), "--rank", str(rank), "--ranks", str(point.devices)]
        words += ["--cores", *map(str, pinned)] if pinned else []
        # By the thread that starts it, whose own cores the process would have else.
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, allowed)
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
            )
        finally:
            os.sched_setaffinity(0, mine)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Raises RuntimeError where the script ended."""
        self._said()

    def ask(self, lead: int, steps: int) -> None:
        """For so many steps, after others that are not timed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{lead} {steps}\n")
        self._process.stdin.flush()

    def answer_us(self) -> float:
        """Microseconds a step, of those last asked for. Raises RuntimeError where the script ended."""
        return float(self._said())

    def step_us(self, lead: int, steps: int) -> float:
        """Asked for and waited for. Raises RuntimeError where the script ended."""
        self.ask(lead, steps)
        return self.answer_us()

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the plain script ended: {self._process.wait()}")
        return line

    def close(self) -> None:
        """End it, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
