"""No process outlives the one that started it, not even after kill -9.

In: nothing. Out: processes that end with their parent. Linux only (PR_SET_PDEATHSIG); elsewhere the calls
do nothing and the launcher's own clean-up has to do. Must not import anything heavy: it is the first
thing a rank does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from ground.children import PR_SET_PDEATHSIG, ending_with_parent

# How a process starts one that ends with it; the other half is what a process does of itself.
__all__ = ["LAUNCHER_PID", "end_with_parent", "ending_with_parent", "parent_of"]

LAUNCHER_PID = "HARNESS_LAUNCHER_PID"


def end_with_parent() -> None:
    """End this process when its parent ends; end it now when the launcher above is gone already.

    A rank's parent is torchrun, whose parent is the launcher. torchrun gives every rank a process group
    of its own, so a signal to torchrun's group reaches no rank: this does.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    launcher = os.environ.get(LAUNCHER_PID)
    if launcher and parent_of(os.getppid()) != int(launcher):
        os._exit(1)


def parent_of(pid: int) -> int | None:
    """None where there is no such process, or no /proc."""
    try:
        # The name in parentheses may hold spaces; the fields after it do not (proc(5)).
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return int(fields[1])
