"""How many starts of a job have measured nothing: a job that never gets that far must not be started for ever.

In: where run directories lie, and the job. Out: a count, kept in a file over requeues. Must not know what is measured.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.cluster.jobs.job import Identity
from harness.core.files import beneath
from harness.core.files.plain import read_json

# Beside the run directories: a start may end before there is one.
FOLDER = ".jobs"
# So many starts one after the other that have measured nothing are enough.
MOST_BARREN = 2


def note_progress(results: Path, job: Identity) -> None:
    """Say that this start of the job has measured something."""
    results.mkdir(parents=True, exist_ok=True)
    beneath.make_folder(results, FOLDER)
    beneath.replace(results, f"{FOLDER}/{_name(job)}", json.dumps(job.plain()).encode())


def barren_starts(results: Path, job: Identity) -> int:
    """Starts up to this one, and with it, of which none has measured anything."""
    last = Identity.of(read_json(results / FOLDER / _name(job)))
    if last is None or last.name != job.name or not last.may_be(job):
        return job.restarts + 1
    return max(job.restarts - last.restarts, 0)


def _name(job: Identity) -> str:
    return f"{job.cluster}-{job.name}.json"
