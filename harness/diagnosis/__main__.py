"""A diagnosis in a process of its own: `python -m harness.diagnosis JOB`, as `harness diagnose` starts it.

In: a job as JSON. Out: a table or JSON on standard output, files in a folder, an exit status. Must not know how the
job was put together.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, tell
from harness.core.files.places import PACKAGE
from harness.plan.lookup import search_also


@contextlib.contextmanager
def told_where() -> Iterator[None]:
    """Within: what the user's own code raises becomes one line that names the innermost line of it."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not frame.filename.startswith((str(PACKAGE), sys.prefix))]
        at = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
        said = " ".join(str(error).split())[:500]
        raise HarnessError(f"the step failed{at}: {type(error).__name__}: {said}") from error


def main(job: dict[str, Any]) -> int:
    """Answers the exit status."""
    from harness.devices.opening import open_device
    from harness.diagnosis.diagnose import diagnosed
    from harness.diagnosis.shown.files import write_certificate, write_diagnosis
    from harness.diagnosis.subject import Named, subject_of_names
    from harness.passport.stored import own_passport

    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
    # Last: nothing that lies where the command is called hides a module of another's.
    search_also(job["cwd"])
    folder = Path(job["out"])
    # What the user's own code prints is no part of the result.
    with contextlib.redirect_stdout(sys.stderr):
        device = open_device(job["device"], 0)
        device.prepare_thread()
        named = Named(**{name: job[name] for name in Named.__dataclass_fields__})
        passport = own_passport(device)
        with told_where():
            found = diagnosed(
                subject_of_names(named, device),
                passport,
                minutes=job["minutes"],
                verifying=job["verify"],
                write_down=lambda predicted: write_certificate(predicted, passport, folder),
            )
        paths = write_diagnosis(found, folder)
    if job["json"]:
        print(found.as_json())
        return 0
    found.print()
    print()
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except HarnessError as refused:
        tell(refused)
        sys.exit(refused.exit_status)
