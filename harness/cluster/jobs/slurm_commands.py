"""SLURM asked and told: what a job is, where nodes are, whether a job lives, signals to a step.

In: names of jobs and nodes. Out: what SLURM's commands answered; nothing is raised where they do not. Must not know
sessions or sweeps.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from ground.children import ask

# A controller that does not answer in this time is busy or gone.
ANSWERS_WITHIN_S = 20
# Everything else means that a job has nodes, or is about to give them back: of RUNNING there are many kinds
# (CONFIGURING, RESIZING, SIGNALING, STAGE_OUT, SUSPENDED, ...), and later versions may have more.
OVER = frozenset(
    (
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REVOKED", "SPECIAL_EXIT", "TIMEOUT"),
    )
)
WAITING = frozenset(("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD"))
COMPLETING = "COMPLETING"


def is_there() -> bool:
    """Whether this machine can ask a SLURM at all."""
    return shutil.which("scontrol") is not None


def answers() -> bool:
    """Whether the controller does."""
    return _ask("squeue", "--noheader", "--format=%i") is not None


def job_text(number: str) -> str | None:
    """What scontrol says of a job, a line a task, with times in seconds; None where it says nothing."""
    return _ask("scontrol", "--details", "--oneliner", "show", "job", number)


def cluster_name() -> str | None:
    found = re.search(r"^ClusterName\s*=\s*(\S+)", _ask("scontrol", "show", "config") or "", re.MULTILINE)
    return found[1] if found else None


def addresses_of(hosts: Sequence[str]) -> list[str]:
    """The address under which other nodes reach each host; its name where SLURM knows no other."""
    found = _ask("scontrol", "show", "node", "--oneliner", ",".join(hosts)) or ""
    known = dict(re.findall(r"NodeName=(\S+).*?\bNodeAddr=(\S+)", found))
    return [known.get(host, host) for host in hosts]


def state_of(job: str) -> str | None:
    """RUNNING, COMPLETING, ...; "" of a job that SLURM has forgotten; None where it does not answer at all."""
    found = _ask("squeue", "--noheader", f"--jobs={job}", "--states=all", "--format=%T")
    if found is not None:
        return next(iter(found.split()), "")
    # A job that is forgotten is an error of squeue's, as is a controller that is gone.
    return "" if answers() else None


def is_alive(job: str) -> bool | None:
    """Whether a job runs, or is still being ended. None where SLURM does not answer."""
    state = state_of(job)
    return None if state is None else bool(state) and state not in OVER | WAITING


def is_ending(job: str) -> bool:
    """Whether a job's nodes are being taken away. A controller that does not answer is no sign of it."""
    state = state_of(job)
    return state is not None and (not state or state in OVER | WAITING | {COMPLETING})


def signal_step(step: str, name: str) -> None:
    """Send a signal to every process of a step, given as job.step."""
    _ask("scancel", f"--signal={name}", step)


def requeue(job: str) -> bool:
    """Have a job started again; SLURM ends whatever it is running."""
    return _ask("scontrol", "requeue", job) is not None


def _ask(*command: str) -> str | None:
    """What a command printed; None if it failed."""
    # Formats, states and clusters that somebody has set for the eye would change what is read here.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SQUEUE_", "SCANCEL_")) and name != "SLURM_CLUSTERS"
    }
    try:
        done = ask(command, variables={**inherited, "SLURM_TIME_FORMAT": "%s"}, timeout_s=ANSWERS_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
