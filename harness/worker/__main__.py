"""`python -m harness.worker SESSION_FILE`: one rank of a session, as torchrun starts it.

In: a session file, and torchrun's environment. Out: the rank's exit status. Must not import torch before the rank has
arrived: that takes seconds, in which the launcher wants to hear of it, and may be killed.
"""

from __future__ import annotations

import sys
import time

from harness.core.processes.ends_with_parent import end_with_parent


def main(session_file: str) -> int:
    """Measure all cells of the session."""
    started_ns = time.monotonic_ns()
    end_with_parent()  # before anything else
    from harness.worker.arrival import arrive

    arrival = arrive(session_file, started_ns)
    from harness.worker.one_rank import measure_session

    return measure_session(arrival)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
