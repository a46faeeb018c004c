"""Whether there is memory for one more driver beside those that live.

In: drivers. Out: why there is none, or nothing. Must not know what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from harness.environments.driving.process import Driver

# What a framework takes once it is imported, where nothing is known; and how much more than the largest driver.
USUAL_BYTES, MORE = 2**30, 1.25


def no_room(drivers: Sequence[Driver]) -> str | None:
    """Why another one should not be started; None where it may be. One alone always may."""
    if not drivers:
        return None
    wanted = MORE * max([USUAL_BYTES, *(driver.resident_bytes for driver in drivers)])
    free = int(psutil.virtual_memory().available)
    if free >= wanted:
        return None
    others = "another driver" if len(drivers) == 1 else f"{len(drivers)} other drivers"
    return f"{wanted / 2**30:.1f} GiB of memory are wanted beside {others}, {free / 2**30:.1f} GiB are free"
