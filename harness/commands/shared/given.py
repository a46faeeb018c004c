"""What several commands are given: run directories, and profiles of devices.

In: a path or a name. Out: a Run or a Profile, or ConfigError. Must not know what is made of it. What analyses is
imported when it does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.plan.allowed.nearest import nearest

if TYPE_CHECKING:
    from harness.analysis.run import Run
    from harness.core.emulated import Profile


def given_run(directory: Path) -> Run:
    """Raises ConfigError for what is no run directory, or cannot be read."""
    from harness.analysis.run import load_run

    try:
        return load_run(directory)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError("RUN", directory, f"a run directory that can be read ({why})") from error


def given_profile(name: str) -> Profile:
    """Of conf/emulator/ by its name, or from a file. Raises ConfigError where there is none, or it is not allowed."""
    from harness.core.emulated import EmulatorError, load_profile

    try:
        return load_profile(name)
    except OSError as error:
        raise ConfigError(
            "--profile", name, f"a profile's name, or a file that can be read ({error.strerror})"
        ) from None
    except EmulatorError as error:
        allowed = str(error).rpartition("allowed: ")[2]
        near = nearest(name, re.findall(r"\w+x\d+", allowed))
        raise ConfigError("--profile", name, allowed + (f" (the nearest: {near})" if near else "")) from None
