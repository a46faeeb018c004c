"""Jobs as SLURM tells of them, made up."""

from __future__ import annotations

from harness.cluster.jobs.job import Identity, Job


def identity(name: str = "41", submitted: int = 1000, restarts: int = 0, cluster: str = "here") -> Identity:
    return Identity(cluster, name, submitted, restarts)


def job(hosts: str = "n1", gpus: str = "8", cpus: str = "96") -> Job:
    """hosts: separated by blanks; gpus, cpus: of each of them, or one number for all."""
    names = tuple(hosts.split())

    def of_each(text: str) -> tuple[int, ...]:
        numbers = tuple(map(int, text.split()))
        return numbers if len(numbers) == len(names) else numbers * len(names)

    return Job("41", identity(), "RUNNING", names, of_each(gpus), of_each(cpus))
