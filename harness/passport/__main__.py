"""Answer the passport of a device from within its process: `python -m harness.passport KIND [--again]`.

In: a device kind, cpu, cuda or emulated. Out: a line of JSON on standard output: where it is stored, and the passport.
Must not know how it is shown (harness.commands.passport).
"""

from __future__ import annotations

import json
import sys

from harness.core.errors import HarnessError, tell


def main(arguments: list[str]) -> int:
    """Answers the exit status."""
    from harness.devices.opening import open_device
    from harness.passport.stored import own_passport, passport_path

    kind, *more = arguments
    try:
        device = open_device(kind, 0)
        found = own_passport(device, again="--again" in more)
    except HarnessError as error:
        tell(error)
        return error.exit_status
    path = passport_path(device)
    stored = None if path is None or not path.exists() else str(path)
    print(json.dumps({"stored": stored, "passport": found.as_json()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
