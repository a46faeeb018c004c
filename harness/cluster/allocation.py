"""What a SLURM job was given, from the environment that SLURM gives it.

In: environment variables. Out: an Allocation, and names of the job. Asks no daemon, so that all of it can be tested
where there is no SLURM. Must not know sessions, nor what is started.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.cluster.host_list import expand_hosts
from harness.core.errors import ConfigError


def job_name(environ: Mapping[str, str]) -> str:
    """This job as SLURM's commands take it. The bare number of an array's last task means the whole array."""
    if "SLURM_ARRAY_JOB_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ["SLURM_JOB_ID"]


def run_name(environ: Mapping[str, str] = os.environ) -> str | None:
    """Name of a job's run directory: the same after a requeue. None outside a job. Shards stand below the array's."""
    if "SLURM_ARRAY_JOB_ID" in environ:
        return f"job-{environ['SLURM_ARRAY_JOB_ID']}"
    return f"job-{environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in environ else None


def _repeated(text: str) -> list[int]:
    """SLURM's 16(x2),8 to 16, 16, 8."""
    found: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        found += [int(number)] * int(times or 1)
    return found


@dataclass(frozen=True)
class Allocation:
    """What this job has. job: as SLURM's commands take it, 12 or, of an array, 12_3; hosts: node names in SLURM's
    order; gpus: of each node as srun takes them, "" where none were asked for; gpu_count: their number;
    cpus: CPUs of each node, the least of all."""

    job: str
    hosts: tuple[str, ...]
    gpus: str
    gpu_count: int | None
    cpus: int

    @staticmethod
    def from_environment(environ: Mapping[str, str] = os.environ) -> Allocation:
        """Raises ConfigError outside a job."""
        names = environ.get("SLURM_JOB_NODELIST")
        if not names or "SLURM_JOB_ID" not in environ:
            raise ConfigError(
                "launcher",
                "slurm",
                "within a SLURM job: sbatch slurm/sweep.sbatch OVERRIDES; or launcher=local",
            )
        gpus = environ.get("SLURM_GPUS_PER_NODE", "")
        count = environ.get("SLURM_GPUS_ON_NODE", "") or gpus.rpartition(":")[2]
        cpus = min(_repeated(environ.get("SLURM_JOB_CPUS_PER_NODE", "1")))
        return Allocation(
            job_name(environ),
            tuple(expand_hosts(names)),
            gpus,
            int(count) if count.isdigit() else None,
            # As asked for per task, where a site's nodes are not exclusive.
            int(environ.get("SLURM_CPUS_PER_TASK", cpus)),
        )
