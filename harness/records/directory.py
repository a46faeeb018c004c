"""The run directory: made and locked, or opened again to resume.

In: a Config. Out: a RunDirectory that nobody else writes to. Must not know torch, nor what is measured. A run directory
is data of unknown origin: nothing below it is opened but by harness.core.files.beneath.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from harness.core.errors import ConfigError, HarnessError
from harness.core.files import beneath
from harness.core.files.made import Made
from harness.core.files.plain import read_json
from harness.plan.config import Config, measured_config
from harness.records.acceptable import check_path, told_of
from harness.records.files import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    LOCK_FILE,
    LOG_FILE,
    OF_A_START,
    SESSIONS,
    session_folder,
)
from harness.records.ownership import Ownership

# A line of a round, per mode; and what figures and page take. Generous: being wrong only asks for more room.
BYTES_PER_BLOCK = 250
BYTES_FOR_REPORT = 8 * 2**20
# What flock answers where a file system has none.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass
class RunDirectory:
    """A run directory held by this process. Release it with close()."""

    path: Path
    _lock: IO[str]
    _owner: Path | None = None

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    def open_log(self) -> IO[str]:
        """Opened to append to."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        return os.fdopen(
            beneath.open_file(self.path, LOG_FILE, flags), "a", encoding="utf-8", errors="replace"
        )

    def write_config(self, config: Config) -> None:
        if not beneath.exists(self.path, CONFIG_FILE):
            text = yaml.safe_dump(measured_config(config), sort_keys=False)
            beneath.replace(self.path, CONFIG_FILE, text.encode())

    def write_environment(self, environment: dict[str, Any]) -> None:
        if not beneath.exists(self.path, ENVIRONMENT_FILE):
            text = json.dumps(environment, indent=2) + "\n"
            beneath.replace(self.path, ENVIRONMENT_FILE, text.encode())

    def make_session_folder(self, session_id: str) -> Path:
        """A new folder for a session's own files, which nobody else may enter: ranks meet in a file there."""
        folder = beneath.open_folder(self.path, SESSIONS, make=True)
        try:
            os.mkdir(session_id, 0o700, dir_fd=folder)
        finally:
            os.close(folder)
        return session_folder(self.path, session_id).absolute()

    def environment(self) -> dict[str, Any] | None:
        """The environment of the run's first start; None if there was none or it cannot be read."""
        return read_json(self.path / ENVIRONMENT_FILE)

    def check_space(self, needed_bytes: int) -> None:
        """Raises ConfigError if the disk has not so much left."""
        free = shutil.disk_usage(self.path).free
        if free < needed_bytes:
            raise ConfigError(
                "out",
                self.path,
                f"a folder on a disk with {needed_bytes / 2**20:.0f} MiB free; "
                f"no space left there ({free / 2**20:.1f} MiB)",
            )

    def close(self) -> None:
        if self._owner is not None:
            beneath.remove(self.path, self._owner.name)
        self._lock.close()  # closing the file gives up the lock


def open_run(
    path: Path, config: Config, key: str = "out", ownership: Ownership | None = None
) -> RunDirectory:
    """Make the run directory or open it again, and lock it.

    ownership: how it is held where the lock does not reach; None where the lock is enough.
    Raises ConfigError if it is a file, cannot be written, holds another sweep or other files, or is in use.
    """
    check_path(path, config, key, ownership)
    try:
        path.mkdir(parents=True, exist_ok=True)
        # The lock is the kernel's (flock): it ends with the process however that ends, so a killed sweep
        # leaves none behind. The file's text only tells people who holds it.
        Made(path, key, adopt=beneath.exists(path, CONFIG_FILE)).claim(*OF_A_START)
        lock = os.fdopen(beneath.open_file(path, LOCK_FILE, os.O_CREAT | os.O_RDWR), "r+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(key, path, f"a folder that can be written; {told_of(error)}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return _opened(path, config, key, ownership, lock)
        lock.seek(0)
        holder = lock.read(200).strip() or "another process"
        lock.close()
        raise ConfigError(
            key, path, f"a run directory that no other sweep writes to; it is locked by {holder}"
        ) from None
    return _opened(path, config, key, ownership, lock)


def _opened(path: Path, config: Config, key: str, ownership: Ownership | None, lock: IO[str]) -> RunDirectory:
    """Check and make what a run needs, now that nobody else on this machine can."""
    try:
        owner = ownership.take(path, key) if ownership else None
        lock.seek(0)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        # Once more, now that nobody else can change it.
        check_path(path, config, key, ownership)
        beneath.make_folder(path, "raw")
    except OSError as error:
        lock.close()
        raise ConfigError(key, path, f"a folder that can be written; {told_of(error)}") from None
    except HarnessError:
        lock.close()
        raise
    return RunDirectory(path, lock, owner)
