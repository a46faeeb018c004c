"""The clock that blocks are timed with, and what reading it costs.

In: nothing. Out: nanoseconds. Must not know what is timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

# Answers nanoseconds. Ours is one for all processes of a machine (CLOCK_MONOTONIC), so that blocks of different
# ranks can be laid side by side.
Clock = Callable[[], int]
CLOCK: Clock = time.monotonic_ns

# A block is long enough when reading the clock twice costs at most this share of it.
CLOCK_SHARE = 1e-4

# Pairs of readings of which the cost is the median.
PAIRS = 1001


def clock_cost_ns(clock: Clock = CLOCK) -> float:
    """Nanoseconds that reading the clock twice adds to a block: the median of many back-to-back pairs."""
    pairs = [-(clock() - clock()) for _ in range(PAIRS)]
    return statistics.median(pairs)
