"""Which processes of this machine belong to the sweep: the descendants of the one that runs it.

In: its process id, and /proc. Out: its descendants, the ranks among them, and whether a process that NVML
lists on a device is somebody else's. Must not know NVML.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

# The inode of the first PID namespace (linux: PROC_PID_INIT_INO). In any other one, NVML's process ids are
# those of the host, which mean nothing here, or something else.
HOSTS_NAMESPACE = "pid:[4026531836]"

# torchrun tells a rank who it is in its environment.
_RANK = re.compile(rb"(?:^|\0)RANK=(\d+)(?:\0|$)")

UNKNOWN = "in this container NVML's process ids cannot be told from the sweep's own"


class Family:
    """The descendants of `parent`; once one of them, a process stays one while it lives.

    ranks: process id -> rank, of the descendants whose environment has RANK and whose parent's has not.
    """

    def __init__(self, parent: int, proc: Path = Path("/proc")) -> None:
        self.parent = parent
        self.members: set[int] = set()
        self.ranks: dict[int, int] = {}
        self._parents: dict[int, int] = {}
        self._proc = proc
        self._trusted = self._namespace() in (HOSTS_NAMESPACE, None)

    def refresh(self) -> None:
        """Look who is there. Costs a listing of /proc, and a file for each process that is new."""
        try:
            present = {int(name) for name in os.listdir(self._proc) if name.isdigit()}  # noqa: PTH208 (faster)
        except OSError:
            return
        self._parents = {pid: above for pid, above in self._parents.items() if pid in present}
        new = present - self._parents.keys()
        for pid in new:
            self._parents[pid] = self._parent_of(pid)
        self.members &= present
        self.members |= {pid for pid in new if self._descends(pid)}
        self.ranks = {pid: rank for pid, rank in self.ranks.items() if pid in present}
        # A process is looked at again until it is a rank: between fork and exec it has its parent's environment.
        told = {
            pid: rank for pid in self.members - self.ranks.keys() if (rank := self._rank_of(pid)) is not None
        }
        self.ranks |= {
            pid: rank
            for pid, rank in told.items()
            if (above := self._parents.get(pid)) not in self.ranks and above not in told
        }

    @property
    def own(self) -> set[int]:
        """All processes that are the sweep's: its descendants, the one that runs it, and this sampler."""
        return self.members | {self.parent, os.getpid()}

    @property
    def orphaned(self) -> bool:
        """Whether the parent has gone, as of the last look."""
        return bool(self._parents) and self.parent not in self._parents

    def others(self, pids: Sequence[int]) -> list[int] | None:
        """Those of NVML's processes that are not the sweep's; None where that cannot be told.

        In a container, process ids are believed once one of the sweep's own was among them.
        """
        if any(pid not in self._parents for pid in pids):
            self.refresh()
        own = self.own
        self._trusted = self._trusted or any(pid in own for pid in pids)
        if not self._trusted:
            return [] if not pids else None
        return [pid for pid in self._living(pids) if pid not in own]

    def _living(self, pids: Iterable[int]) -> Iterable[int]:
        """What NVML lists may have ended since."""
        return (pid for pid in pids if pid in self._parents or _hidden(pid))

    def _descends(self, pid: int) -> bool:
        seen: set[int] = set()
        while pid not in seen:
            seen.add(pid)
            pid = self._parents.get(pid, 0)
            if pid == self.parent or pid in self.members:
                return not seen & {os.getpid()}
        return False

    def _parent_of(self, pid: int) -> int:
        # The name in brackets may hold anything; the fields after the last one do not (proc(5)).
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self._proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])
        return 0

    def _rank_of(self, pid: int) -> int | None:
        with contextlib.suppress(OSError):
            found = _RANK.search((self._proc / str(pid) / "environ").read_bytes())
            return int(found[1]) if found else None
        return None

    def _namespace(self) -> str | None:
        with contextlib.suppress(OSError):
            return str((self._proc / "self/ns/pid").readlink())
        return None


def _hidden(pid: int) -> bool:
    """Whether a process that /proc does not show (mount option hidepid) is there all the same."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
