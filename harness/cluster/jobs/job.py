"""Which job this process is part of, and what it was given: as SLURM's controller says it.

In: the number in SLURM_JOB_ID, and what scontrol says of it. Out: a Job. Must not know sessions, nor what is started.

No other variable is believed. A batch script inherits those of the shell that submitted it, so that a job started from
within another one's carries that one's array, nodes and counts beside its own number.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.cluster.jobs.host_list import expand_hosts
from harness.cluster.jobs.slurm_commands import OVER, WAITING, answers, cluster_name, is_there, job_text
from harness.core.errors import HarnessError

# A controller that is started anew, as after an upgrade, is back within minutes.
PAUSES_S = (0, 5, 10, 20, 30, 60)
# Names, commands and comments are the user's own text, in which anything may stand: a job's name, alone of them, stands
# before what is read here.
_NAME = re.compile(r" JobName=.*? UserId=")
_FIELD = re.compile(r"(?:^|\s)([A-Za-z][\w/:]*)=(\S*)")
# By node: Nodes=n[1-2] CPU_IDs=0-15,32-47 Mem=8000 GRES=gpu:a100:8(IDX:0-7),shard:4
_NODES = re.compile(r"\sNodes=(\S+) CPU_IDs=(\S*) Mem=\S*(?: GRES=(\S*))?")
_GPUS = re.compile(r"\bgpu(?::[^:,()]+)?:(\d+)")


@dataclass(frozen=True)
class Identity:
    """What tells a job from every other: its number alone is another cluster's too, and comes again where a controller
    begins to count anew. submitted: seconds since 1970; a requeue sets it anew, so that restarts, which counts those,
    belongs to it. name: as SLURM's commands take it, 12 or, of an array, 12_3."""

    cluster: str
    name: str
    submitted: int
    restarts: int = 0

    @property
    def number(self) -> str:
        """Of the job, or of the whole array."""
        return self.name.partition("_")[0]

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of(plain: object) -> Identity | None:
        """From such a dict; None where it is none."""
        if not isinstance(plain, dict):
            return None
        kinds = {"cluster": str, "name": str, "submitted": int, "restarts": int}
        if any(not isinstance(plain.get(field), kind) for field, kind in kinds.items()):
            return None
        return Identity(**{field: plain[field] for field in kinds})

    def may_be(self, now: Identity) -> bool:
        """Whether what this identity has left behind may be of the job `now`, or of another task of its array: as it
        was submitted, or as it was before one of its requeues."""
        if (self.cluster, self.number) != (now.cluster, now.number):
            return False
        earlier, later = self.submitted < now.submitted, self.submitted > now.submitted
        return not (earlier and not now.restarts) and not (later and not self.restarts)


@dataclass(frozen=True)
class Job:
    """id: SLURM_JOB_ID. hosts: in SLURM's order. gpus, cpus: of each host what the job has there."""

    id: str
    identity: Identity
    state: str
    hosts: tuple[str, ...]
    gpus: tuple[int, ...]
    cpus: tuple[int, ...]

    @property
    def is_array(self) -> bool:
        return "_" in self.identity.name


def this_job(environ: Mapping[str, str], *, patient: bool = False) -> Job | None:
    """The job that this process is part of; None where SLURM says that it is of none.

    patient: wait for a controller that does not answer. Raises HarnessError where it does not then either.
    """
    number = environ.get("SLURM_JOB_ID", "")
    if not re.fullmatch(r"[0-9]+", number) or not is_there():
        return None
    for pause_s in PAUSES_S if patient else (0,):
        time.sleep(pause_s)
        text, cluster = job_text(number), cluster_name()
        if text is not None and cluster is not None:
            job = read_job(text, number, cluster)
            return job if job is not None and _is_part_of(job, environ) else None
        if answers():
            return None  # it has forgotten that job
    raise HarnessError(f"SLURM_JOB_ID={number}: SLURM's controller does not say what this job is")


def _is_part_of(job: Job, environ: Mapping[str, str]) -> bool:
    """A shell that has outlived its job, or was given its variables elsewhere, is not."""
    here = environ.get("SLURMD_NODENAME")
    return job.state not in OVER | WAITING and (here is None or here in job.hosts)


def read_job(text: str, number: str, cluster: str) -> Job | None:
    """What `scontrol --details --oneliner show job` says of the job with that SLURM_JOB_ID; None if it says nothing.

    Of an array's last task it prints all tasks: they share its number.
    """
    for line in text.splitlines():
        head, *_ = line.partition(" JobName=")
        own = dict(_FIELD.findall(head))
        if own.get("JobId") != number or not own.get("ArrayTaskId", "0").isdigit():
            continue
        found = dict(reversed(_FIELD.findall(_NAME.sub(" UserId=", line, count=1))))
        name = f"{own['ArrayJobId']}_{own['ArrayTaskId']}" if "ArrayTaskId" in own else number
        given = list(_given(line))
        return Job(
            number,
            Identity(cluster, name, _number(found.get("SubmitTime")), _number(found.get("Restarts"))),
            found.get("JobState", ""),
            tuple(expand_hosts(found.get("NodeList", ""))),
            tuple(gpus for gpus, _ in given),
            tuple(cpus for _, cpus in given),
        )
    return None


def _given(line: str) -> list[tuple[int, int]]:
    """GPUs and CPUs of each node that the job has."""
    found: list[tuple[int, int]] = []
    for hosts, cpu_ids, gres in _NODES.findall(line):
        gpus = sum(int(count) for count in _GPUS.findall(gres))
        found += [(gpus, _count(cpu_ids))] * len(expand_hosts(hosts))
    return found


def _count(ranges: str) -> int:
    """SLURM's 0-15,32 to 17."""
    count = 0
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
