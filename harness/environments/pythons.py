"""Interpreters of this machine, looked for by their version.

In: a version, such as 3.12 or 3.13t. Out: the path of one that runs, or None. Must not know environments.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.environments.asked import DoesNotRun, ask_facts

# Some start scripts on PATH (pyenv's shims) are slow, and then answer that there is none.
_TIMEOUT_S = 30.0
# Where it was looked, for who is told that there is none.
LOOKED = "neither on PATH nor among pyenv's versions"


def find_python(version: str) -> Path | None:
    """The first that says that it is of this version: this very one, then on PATH, then pyenv's, the latest first."""
    for candidate in dict.fromkeys(_candidates(version)):
        if not os.access(candidate, os.X_OK):
            continue
        try:
            # Any module that each Python has.
            facts = ask_facts(candidate, "sys", _variables(), importing=False, timeout_s=_TIMEOUT_S)
        except DoesNotRun:
            continue
        if facts.short == version:
            return candidate
    return None


def _variables() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    base = getattr(sys, "_base_executable", None)
    if base and f"3.{sys.version_info.minor}" == version:
        yield Path(base)
    # A relative entry of PATH is something in the current directory, which is not executed.
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry.startswith("/"):
            yield Path(entry) / name
    free = version.endswith("t")
    found = []
    for folder in _pyenv().glob(f"{version.rstrip('t')}.*"):
        numbers = re.fullmatch(r"3\.\d+\.(\d+)(t?)", folder.name)
        if numbers and bool(numbers[2]) == free:
            found.append((int(numbers[1]), folder / "bin" / "python"))
    yield from (path for _, path in sorted(found, reverse=True))


def _pyenv() -> Path:
    """pyenv's folder of versions, which need not be there."""
    if given := os.environ.get("PYENV_ROOT"):
        return Path(given).absolute() / "versions"
    try:
        return Path.home() / ".pyenv" / "versions"
    except RuntimeError:  # a user that the system does not know, and who has no HOME
        return Path("/nonexistent")
