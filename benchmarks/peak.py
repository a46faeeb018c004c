"""A whole command: how long it takes, and its peak memory.

In: a command. Out: seconds and MiB, and what it printed. Must not know what it is.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

# A command's peak is at least that of whoever starts it, so that somebody small must.
_PEAK = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


@dataclass(frozen=True)
class Taken:
    """printed: to standard output."""

    seconds: float
    peak_mib: float
    printed: str


def taken(command: list[str]) -> Taken:
    """Run a command. Raises CalledProcessError if it fails."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-S", "-c", _PEAK, *command], stdout=subprocess.PIPE, text=True, check=True
    )
    *printed, peak = done.stdout.splitlines()
    return Taken(time.monotonic() - start, int(peak) / 1024, "\n".join(printed))
