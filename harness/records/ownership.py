"""Who holds a run directory where the kernel's lock does not reach: what whoever opens one may bring along.

In: nothing. Out: the protocol, and the names that its files have in a run directory. Must not know jobs, nor how one is
asked whether it lives (harness.cluster.jobs.job_owner does).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

_OWNER = re.compile(r"owner\.(\d+)\.json")


def owner_file(number: int) -> str:
    """Name of the file by which the owner of this number holds a run directory."""
    return f"owner.{number}.json"


def owner_number(name: str) -> int:
    """The number in a name that owner_file has made, from 1; 0 if it is another file's."""
    found = _OWNER.fullmatch(name)
    return int(found[1]) if found else 0


class Ownership(Protocol):
    """How a run directory is held for more than this process. key: what a refusal names."""

    def check(self, path: Path, key: str) -> None:
        """Raise ConfigError if the directory is somebody else's. Changes nothing."""

    def take(self, path: Path, key: str) -> Path | None:
        """Hold it; answers the file to remove in the end, if one was made. Raises ConfigError if it is held."""
