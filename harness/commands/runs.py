"""The run directories that a command is given.

In: a path. Out: a Run, or ConfigError. Must not know what is read of it. What analyses is imported when it does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from harness.analysis.run import Run


def given_run(directory: Path) -> Run:
    """Raises ConfigError for what is no run directory, or cannot be read."""
    from harness.analysis.run import load_run

    try:
        return load_run(directory)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError("RUN", directory, f"a run directory that can be read ({why})") from error
