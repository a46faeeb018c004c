"""`python -m harness.monitor SPEC`: sample this node as SPEC, a JSON object, says, until SIGTERM."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from harness.monitor.loop import SamplingLoop, Spec, StopSignal


def main(arguments: list[str]) -> int:
    """Answers the exit status: 2 if the spec cannot be read."""
    try:
        (text,) = arguments
        spec = Spec(**json.loads(text))
    except (ValueError, TypeError) as error:
        print(f"harness.monitor: error: {' '.join(arguments) or 'no spec'}: {error}", file=sys.stderr)
        return 2
    with suppress(AttributeError, OSError):
        # A batch process does not push another one off its core when it wakes up (sched(7)): a sample may come
        # some milliseconds late, which its time says; a step may not.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    ending = StopSignal(spec.ends_with_stdin)
    sampling = SamplingLoop(spec)
    print("ready", flush=True)
    sampling.run(ending)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
