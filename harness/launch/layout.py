"""What makes the processes of one session differ from those of the next: hashes, and where the stack begins.

In: a random number. Out: environment variables. Must not know what the processes do.
"""

from __future__ import annotations

import random

# PYTHONHASHSEED takes numbers of 32 bits.
LARGEST_HASH_SEED = 2**32 - 1
# The environment lies above the stack, so that its size decides how the stack is aligned to pages and cache lines
# (Mytkowicz et al., Producing Wrong Data, ASPLOS 2009). Code and heap are placed anew by the kernel at each start.
PADDING, PAGE = "HARNESS_PADDING", 4096


def layout_variables(draw: int) -> dict[str, str]:
    """draw: drawn for each session anew, so that no layout is every session's luck; the same one gives the same."""
    source = random.Random(draw)
    return {
        "PYTHONHASHSEED": str(source.randrange(LARGEST_HASH_SEED + 1)),
        PADDING: "x" * source.randrange(PAGE),
    }
