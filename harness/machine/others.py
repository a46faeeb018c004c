"""What other programs take of this machine's cores: meanwhile, or right now from a short look.

In: /proc. Out: a share. Must not know sweeps: whoever asks is not one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from harness.core.cpu import allowed_cores, usable_cores
from harness.core.cpu_time import PROC, busy_seconds, process_seconds, share_of_others

# The kernel counts CPU time in ticks of 10 ms: over a second they are 1 % of a core.
LOOK_S = 1.0


class Others:
    """What other processes than this one take from now on."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc, self._allowed = proc, allowed_cores()
        self._before = self._now()

    def share(self) -> float | None:
        """Share of the usable cores that they used so far, from 0 to 1; None where the system does not tell."""
        after = self._now()
        if self._before is None or after is None:
            return None
        wall_s = (after[0] - self._before[0]) / 1e9
        return share_of_others(after[1] - self._before[1], wall_s, len(self._allowed), usable_cores())

    def _now(self) -> tuple[int, float] | None:
        try:
            busy_s = busy_seconds((self._proc / "stat").read_bytes(), self._allowed)
        except (OSError, ValueError):
            return None
        own = (os.getpid(),)
        return None if busy_s is None else (time.monotonic_ns(), busy_s - process_seconds(own, self._proc))


def share_of_others_now(proc: Path = PROC, look_s: float = LOOK_S) -> float | None:
    """Share of the usable cores that other processes use, from 0 to 1; None where the system does not tell."""
    others = Others(proc)
    time.sleep(look_s)
    return others.share()
