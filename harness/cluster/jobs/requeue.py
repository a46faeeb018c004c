"""Start this job again: `python -m harness.cluster.jobs.requeue`, by which slurm/run.sh ends where a sweep shall go on.

In: the job that this process is part of. Out: an exit status: 0 where SLURM was asked and will end this start, else why
not. No other job than this one is ever named to SLURM. Must not know what is measured.
"""

from __future__ import annotations

import os
import sys

from harness.cluster.jobs.job import this_job
from harness.cluster.jobs.slurm_commands import requeue
from harness.cluster.jobs.starts import MOST_BARREN, barren_starts
from harness.core.errors import HarnessError
from harness.core.processes.interrupt import tell_interrupted
from harness.records.files import results_folder

ASKED, NOT_ASKED = 0, 1


def main() -> int:
    try:
        job = this_job(os.environ, patient=True)
    except HarnessError as error:
        return _not_asked(str(error))
    if job is None:
        return _not_asked("SLURM knows no job that this process is part of")
    if job.state != "RUNNING":
        # Of a job that its user cancels, SLURM tells the nodes just as it does at preemption, and would requeue it if
        # it were asked to.
        return _not_asked(f"the job is {job.state.lower()}")
    barren = barren_starts(results_folder(), job.identity)
    if barren >= MOST_BARREN:
        return _not_asked(
            f"{barren} starts one after the other have measured nothing: a start takes longer than the time limit "
            "leaves it (--time, less the warning of --signal). Raise --time; what was measured before is kept"
        )
    if not requeue(job.identity.name):
        return _not_asked("SLURM does not start it again (--requeue, JobRequeue); what was measured is kept")
    return ASKED


def _not_asked(why: str) -> int:
    tell_interrupted(f"not started again: {why}")
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main())
