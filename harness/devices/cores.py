"""The cores of this machine: what they are called, which of them this process may use, and a share for each rank.

In: /proc and the scheduler's affinity. Out: names and numbers. Must not import torch: cores are taken before it makes
threads.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def cpu_name() -> str:
    """The processor's model name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def pin_to_cores(local_rank: int, ranks: int, threads: int) -> list[int] | None:
    """Give this rank cores of its own, and answer which; None where there are too few for all.

    Cores are shared out evenly, so that a rank's helper threads (NCCL, autograd) have room on a large
    host; on too few cores nothing is pinned, since two ranks tied to one core would wait for each other
    while another core idles.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    share = len(cores) // ranks
    if share < threads:
        return None
    own = cores[local_rank * share : (local_rank + 1) * share]
    os.sched_setaffinity(0, own)
    return own


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
