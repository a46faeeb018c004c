"""What stands in a run directory, and under which names.

In: what a run is. Out: paths and names; the config that a run was made with. Must not know who writes there.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.plain import read_yaml
from harness.records.naming import session_id

CONFIG_FILE, ENVIRONMENT_FILE, LOCK_FILE, LOG_FILE = "config.yaml", "environment.json", ".lock", "harness.log"
# What a start makes, by which a folder without a config is known to be of one.
OF_A_START = (LOCK_FILE, LOG_FILE, CONFIG_FILE, ENVIRONMENT_FILE, "raw/", "monitor/", "sessions/")
SESSIONS, MONITOR = "sessions", "monitor"


def results_folder() -> Path:
    """Where run directories lie that were given no name."""
    return Path(os.environ.get("HARNESS_RESULTS") or "results")


def default_path(name: str) -> Path:
    """results/<sweep>/<UTC time>; see reserved."""
    return results_folder() / name / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def reserved(path: Path) -> Path:
    """A folder that was not there before and is made here: path, or the same name with a number after it. Of several
    that ask at the same time each gets its own. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        free = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            free.mkdir()
            return free
    raise AssertionError("counting ends nowhere")


def session_folder(path: Path, session_id: str) -> Path:
    """Where a session's own files are, below the run directory."""
    return path / SESSIONS / session_id


def next_session_id(path: Path, controller: str, devices: int, shard: tuple[int, int] | None = None) -> str:
    """Name of the next try at a session, not used before in this run directory, nor in that of another shard."""
    number = 1
    while beneath.exists(path, f"{SESSIONS}/{session_id(controller, devices, number, shard)}"):
        number += 1
    return session_id(controller, devices, number, shard)


def read_config(path: Path, key: str = "resume") -> dict[str, Any]:
    """The config a run directory was made with. Raises ConfigError, naming `key`, if it is no run directory."""
    allowed = "a run directory made by `harness sweep` (with a config.yaml)"
    try:
        plain = read_yaml(path / CONFIG_FILE)
    except FileNotFoundError:
        raise ConfigError(key, path, allowed) from None
    except (OSError, ValueError) as error:
        raise ConfigError(key, path, f"{allowed}; config.yaml: {describe_os_error(error)}") from None
    if not isinstance(plain, dict):
        raise ConfigError(key, path, allowed)
    return plain


def describe_os_error(error: BaseException) -> str:
    """What went wrong in a few words, without the path that the message names anyway."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.splitlines()[0].lower() if text else type(error).__name__
