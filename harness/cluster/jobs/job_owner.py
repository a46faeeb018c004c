"""Which job holds a run directory, where locks of files are not to be relied on.

In: a run directory, the job that wants it. Out: a file owner.<n>.json that is made or not, never both. Must not know
what is in the run.

A lock of the kernel (flock) reaches no other node on many shared file systems, and is refused on some. What they all
keep is that a file can be made by one alone (O_EXCL; NFS from version 3 on). So the owners are numbered, and the
highest number holds the directory. Whoever finds its job gone makes the next number: of two who find that at once, one
succeeds. Nothing is ever taken away from under a job that lives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.jobs.job import Identity
from harness.cluster.jobs.slurm_commands import is_alive
from harness.core.errors import ConfigError
from harness.core.files.plain import read_json
from harness.records.ownership import owner_file, owner_number

# Whether a job lives, by its name; None where SLURM does not answer.
Alive = Callable[[str], "bool | None"]


def check_owner(path: Path, key: str, job: Identity | None, alive: Alive = is_alive) -> int:
    """Number of the last owner, 0 for none. Raises ConfigError if it is another job that still lives.

    A job that was requeued finds itself here, and goes on. Where it is not known whether the owner lives, as of another
    cluster's, the directory is left alone.
    """
    number = max(map(owner_number, _names(path)), default=0)
    if not number:
        return 0
    file = path / owner_file(number)
    holder = Identity.of(read_json(file))
    if holder is not None and _is_same(holder, job):
        return number
    # A file that is empty was being written when its job was ended, or is being written now.
    lives = alive(holder.name) if holder and (job is None or holder.cluster == job.cluster) else None
    if lives is False:
        return number
    known = _named(holder, job) if holder else "a job that has just begun"
    doubt = "" if lives else f"; SLURM does not say whether it lives: if it does not, remove {file.name}"
    raise ConfigError(
        key, path, f"a run directory that no other sweep writes to; it is held by {known}{doubt}"
    )


def take(path: Path, key: str, job: Identity, alive: Alive = is_alive) -> Path:
    """Hold the directory for this job; answers the file to remove in the end. Raises ConfigError if it is held."""
    number = check_owner(path, key, job, alive)
    file = path / owner_file(number)
    if number and _is_same(Identity.of(read_json(file)), job):
        return file
    file = path / owner_file(number + 1)
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        raise ConfigError(
            key, path, "a run directory that no other sweep writes to; another job has just taken it"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump({**job.plain(), "host": os.uname().nodename, "pid": os.getpid()}, opened)
        opened.flush()
        os.fsync(opened.fileno())  # other nodes see it from here on
    return file


def _is_same(holder: Identity | None, job: Identity | None) -> bool:
    return holder is not None and job is not None and holder.name == job.name and holder.may_be(job)


def _named(holder: Identity, job: Identity | None) -> str:
    elsewhere = f" of cluster {holder.cluster}" if job is not None and holder.cluster != job.cluster else ""
    return f"job {holder.name}{elsewhere}"


def _names(path: Path) -> list[str]:
    return os.listdir(path) if path.is_dir() else []  # noqa: PTH208


@dataclass(frozen=True)
class JobOwnership:
    """An Ownership (harness.records.ownership) by a job. job: None outside one; then a living one is respected
    all the same."""

    job: Identity | None
    alive: Alive = is_alive

    def check(self, path: Path, key: str) -> None:
        check_owner(path, key, self.job, self.alive)

    def take(self, path: Path, key: str) -> Path | None:
        return take(path, key, self.job, self.alive) if self.job else None
