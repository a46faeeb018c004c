"""What one node of a job has: `python -m harness.cluster.asked`, started by srun on each of them.

In: SLURM's environment. Out: one line of JSON on standard output. Must not know what is made of it
(harness.cluster.nodes).
"""

from __future__ import annotations

import json
import os
import platform

from harness.core.cpu import usable_cores
from harness.machine.probe import probe


def main() -> None:
    about = {"node": os.environ["SLURMD_NODENAME"], "python": platform.python_version()}
    print(json.dumps({**about, "probe": {**probe(), "cores": usable_cores()}}))


if __name__ == "__main__":
    main()
