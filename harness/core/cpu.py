"""The cores of this process: how many it may use, which are its own, and what they call themselves.

In: the operating system: affinity, and the quota of its control groups. Out: numbers. Must not know what they are
used for: the plan, the ranks and the column `cores` all have this one answer.
"""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the CPU quota of its container."""
    allowed, quota = len(allowed_cores()), cgroup_quota()
    return max(1, min(allowed, math.floor(quota))) if quota else allowed


def allowed_cores() -> list[int]:
    """The cores of this process's affinity, in order; a quota says how many of them can be busy at once."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def own_cores(local_rank: int, ranks: int, threads: int) -> list[int] | None:
    """The cores on which this rank issues, and no other does; None where there are too few for all.

    Shared out evenly, so that threads which take part in issuing (autograd's, one a device) have room on a large
    host; on too few cores nothing is pinned, since two ranks tied to one core would wait for each other
    while another core idles. Under a quota there are as many to share out as the quota is worth.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    return share_of(allowed_cores()[: usable_cores()], local_rank, ranks, threads)


def share_of(cores: Sequence[int], place: int, parts: int, threads: int) -> list[int] | None:
    """The cores of one of so many equal parts; None where a part has less than a core for each of its threads."""
    share = len(cores) // parts
    return None if share < threads else list(cores[place * share : (place + 1) * share])


def pin_thread(cores: Sequence[int]) -> None:
    """Tie the calling thread to these cores, and with it the threads that it starts from here on. Others stay as they
    are: on Linux affinity is a thread's (sched_setaffinity(2)), whatever Python's manual says of processes.

    Raises OSError where the process may use none of them.
    """
    os.sched_setaffinity(0, cores)


def cgroup_quota(root: Path | None = None, membership: Path | None = None) -> float | None:
    """CPU quota in cores, the tightest of this process's control group and those above it; None without one.

    cgroup v2 keeps it in cpu.max, v1 in cpu.cfs_quota_us (kernel: Documentation/admin-guide/cgroup-v2.rst).
    root, membership: CGROUPS and MEMBERSHIP, or others.
    """
    root = root or CGROUPS
    try:
        groups = (membership or MEMBERSHIP).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas: list[float] = []
    for line in groups:
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number == "0":
            quotas += _quotas(
                root, path, lambda folder: (folder / "cpu.max").read_text(encoding="utf-8").split()
            )
        elif "cpu" in controllers.split(","):
            quotas += _quotas(
                root / "cpu",
                path,
                lambda folder: [
                    (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8")
                    for name in ("quota", "period")
                ],
            )
    return min(quotas, default=None)


def _quotas(root: Path, path: str, read: Callable[[Path], list[str]]) -> Iterator[float]:
    """The quotas of a control group and its parents, in cores; those that are not limited are left out."""
    own = root / path.lstrip("/")
    for folder in (own, *own.parents):
        try:
            quota, period = (int(word) for word in read(folder))
            if quota > 0:
                yield quota / period
        except (OSError, ValueError, ZeroDivisionError):
            pass  # "max", or not there, as for folders that a container does not show
        if folder == root:
            return


def cpu_name() -> str:
    """The processor's model name."""
    try:
        found = re.search(
            r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
