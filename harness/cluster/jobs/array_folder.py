"""Where the shards of an array lie: `python -m harness.cluster.jobs.array_folder ID`, for slurm/report.sbatch.

In: the number of an array, which may have ended long ago. Out: folders, a line each. Must not know what is in a run.
"""

from __future__ import annotations

import sys

from harness.cluster.jobs.job_folder import array_folders
from harness.cluster.jobs.slurm_commands import cluster_name
from harness.records.files import results_folder


def main(arguments: list[str]) -> int:
    for folder in array_folders(results_folder(), cluster_name() or "", arguments[0]):
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
