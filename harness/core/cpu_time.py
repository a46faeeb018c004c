"""CPU time: of the machine's cores that this process may use, and of processes with what their ended children took.

In: /proc. Out: seconds so far, or None where the system does not tell; and the share that others took. Must not know
whose processes are asked for, nor how often.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

PROC = Path("/proc")
# A tenth of the cores is some ten times what an idle system's own programs take, and enough that about one block in ten
# shares its core: from there on medians and intervals hold the others' work too.
LOADED_SHARE = 0.1

_TICKS_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def busy_seconds(stat: bytes, cores: Collection[int]) -> float | None:
    """CPU seconds that these cores were busy since boot, from /proc/stat; None where it does not name one of them.

    Time that a hypervisor gave to others (steal) counts as busy: it was not to be had either.
    """
    ticks, seen = 0, 0
    for line in stat.split(b"\n")[1:]:
        if not line.startswith(b"cpu"):
            break
        name, *times = line.split()[:9]
        if int(name[3:]) in cores:
            # user nice system idle iowait irq softirq steal; guest times are in user's already (proc(5)).
            numbers = [int(word) for word in times]
            ticks += sum(numbers) - numbers[3] - numbers[4]
            seen += 1
    return ticks / _TICKS_S if seen and seen == len(cores) else None


def process_seconds(pids: Collection[int], proc: Path = PROC) -> float:
    """CPU seconds of processes and of those of their children that have ended and were waited for.

    A child that ends so takes nothing out of the sum over it and its parent.
    """
    ticks = 0
    for pid in pids:
        try:
            fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(int(word) for word in fields[11:15])  # utime stime cutime cstime
        except (OSError, ValueError):
            continue  # it has just ended
    return ticks / _TICKS_S


def share_of_others(others_s: float, wall_s: float, allowed: int, usable: int) -> float:
    """Share of the usable cores that others took, from 0 to 1.

    others_s: their CPU seconds on the allowed cores. A quota (usable < allowed) leaves cores that this process could
    never use at the same time as its own: what others run there first takes nothing from it.
    """
    taken = others_s / wall_s - (allowed - usable)
    return min(1.0, max(0.0, taken / usable))
