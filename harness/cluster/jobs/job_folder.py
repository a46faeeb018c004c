"""The run directory of a job: the same after each of its requeues, and never one that another job has left.

In: where a sweep's run directories lie, and the job. Out: a path. Must not know what is in a run, but for whose it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from harness.cluster.jobs.job import Identity
from harness.core.files.plain import read_json
from harness.records.files import ENVIRONMENT_FILE
from harness.records.naming import SHARD
from harness.records.ownership import owner_number

# In environment.json: the job that a run was begun by.
JOB = "job"


def job_folder(parent: Path, job: Identity) -> Path:
    """parent/job-<id>, of all tasks of an array the same one.

    Where that is another job's, of another cluster or from before a controller began to count anew, job-<id>-2, and so
    on. Of several that may be the job's own, the one that was begun last.
    """
    own: list[tuple[int, int, Path]] = []
    for number in itertools.count(1):
        path = parent / (f"job-{job.number}" if number == 1 else f"job-{job.number}-{number}")
        if not path.exists():
            return max(own)[2] if own else path
        left = list(_identities(path))
        if all(each.may_be(job) for each in left):
            own.append((max((each.submitted for each in left), default=0), number, path))
    raise AssertionError("counting ends nowhere")


def array_folders(results: Path, cluster: str, number: str) -> list[Path]:
    """The folders in which the shards of an array lie, of each of its sweeps: of several arrays of that number those of
    the last."""
    found: dict[int, list[Path]] = {}
    for path in [*results.glob(f"*/job-{number}"), *results.glob(f"*/job-{number}-*")]:
        begun = [each.submitted for each in _identities(path) if each.cluster == cluster]
        if begun and any(path.glob(f"{SHARD}*")):
            found.setdefault(min(begun), []).append(path)
    return sorted(found[max(found)]) if found else []


def _identities(path: Path) -> Iterator[Identity]:
    """Of the jobs that have begun or hold the run in a folder, or the shards in it."""
    for folder in (path, *sorted(path.glob(f"{SHARD}*"))):
        environment = read_json(folder / ENVIRONMENT_FILE) or {}
        plain = [environment.get(JOB)]
        plain += [read_json(file) for file in sorted(folder.glob("owner.*.json")) if owner_number(file.name)]
        yield from filter(None, map(Identity.of, plain))
