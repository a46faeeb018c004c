"""What other programs take of this machine's cores right now, from a short look.

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


def share_of_others_now(proc: Path = PROC, look_s: float = LOOK_S) -> float | None:
    """Share of the usable cores that other processes use, from 0 to 1; None where the system does not tell."""
    allowed, own = allowed_cores(), (os.getpid(),)

    def now() -> tuple[int, float] | None:
        try:
            busy_s = busy_seconds((proc / "stat").read_bytes(), allowed)
        except (OSError, ValueError):
            return None
        return None if busy_s is None else (time.monotonic_ns(), busy_s - process_seconds(own, proc))

    before = now()
    time.sleep(look_s)
    after = now()
    if before is None or after is None:
        return None
    wall_s = (after[0] - before[0]) / 1e9
    return share_of_others(after[1] - before[1], wall_s, len(allowed), usable_cores())
