"""What was wrong where something could not be started on a node: the first line that says so.

In: what srun and the node printed. Out: one line. Must not know what was started.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.launch.cause_of_death import last_of_first_traceback

# What srun and SLURM's daemons put in front of what they say.
_OF_SLURM = re.compile(r"^(?:srun|slurmstepd\S*|slurmd\S*)(?:\[\S*\])?: (?:error: |fatal: )?(.*)")
# How tasks ended, which is true of every failure, and says nothing of this one.
_CONSEQUENCE = re.compile(
    r"task[s]? [\d,-]+: |exited with exit code|Terminating |Job step aborted|Force Terminated|STEP \S+ .*CANCELLED"
    r"|Timed out waiting for job step|launch/slurm: |Step created for|^\s*$",
    re.IGNORECASE,
)
_EXECVE = re.compile(r"execve|No such file|Permission denied|chdir|command not found", re.IGNORECASE)


def first_words(lines: Sequence[str]) -> str | None:
    """The exception of the first traceback; else what could not be executed; else the first line that is none of those
    in which srun says how tasks ended. None where there is no such line."""
    if said := last_of_first_traceback(list(lines)):
        return said
    told = [found[1] if (found := _OF_SLURM.match(line)) else line for line in lines]
    real = [line.strip() for line in told if not _CONSEQUENCE.search(line)]
    executed = [line for line in real if _EXECVE.search(line)]
    return next(iter([*executed, *real]), None)
