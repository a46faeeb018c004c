"""SLURM asked and told: where nodes are, whether a job lives, signals to a step.

In: names of jobs and nodes. Out: what SLURM's commands answered; nothing is raised where they do not. Must not know
sessions or sweeps.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from ground.children import ask
from harness.cluster.host_list import expand_hosts

# A controller that does not answer in this time is busy or gone.
ANSWERS_WITHIN_S = 20


def _ask(*command: str) -> str | None:
    """What a command printed; None if it failed."""
    try:
        done = ask(command, timeout_s=ANSWERS_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def addresses_of(hosts: Sequence[str]) -> list[str]:
    """The address under which other nodes reach each host; its name where SLURM knows no other."""
    found = _ask("scontrol", "show", "node", "--oneliner", ",".join(hosts)) or ""
    known = dict(re.findall(r"NodeName=(\S+).*?\bNodeAddr=(\S+)", found))
    return [known.get(host, host) for host in hosts]


def nodes_left(job: str) -> list[str] | None:
    """The nodes that a job has now: fewer than it had when one has failed. None where SLURM does not say."""
    found = _ask("squeue", "--noheader", f"--jobs={job}", "--states=RUNNING", "--format=%N")
    names = (found or "").strip()
    return expand_hosts(names) if names else None


def is_alive(job: str, *, running_only: bool = False) -> bool | None:
    """Whether a job runs, or is still being ended. None where SLURM does not answer at all."""
    states = "RUNNING,SUSPENDED" + ("" if running_only else ",COMPLETING")
    found = _ask("squeue", "--noheader", f"--jobs={job}", f"--states={states}", "--format=%T")
    if found is not None:
        return bool(found.strip())
    # A job that is forgotten is an error of squeue's, as is a controller that is gone.
    return False if _ask("squeue", "--noheader", "--format=%i") is not None else None


def signal_step(step: str, name: str) -> None:
    """Send a signal to every process of a step, given as job.step."""
    _ask("scancel", f"--signal={name}", step)
