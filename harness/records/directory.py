"""The run directory: made, locked, checked before anything starts, and opened again to resume.

In: a Config, and a Claim where the kernel's lock is not enough. Out: a RunDirectory that nobody else writes to. Must
not know torch, what is measured, nor what launches it. A run directory is data of unknown origin: nothing below it is
opened but by harness.core.files.beneath.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import yaml

from harness.core.errors import ConfigError, HarnessError
from harness.core.files import beneath
from harness.core.files.made import LIST, Made
from harness.core.files.plain import read_json, read_yaml
from harness.plan.config import Config, measured_config
from harness.plan.points import Session
from harness.records.claim import Claim, owner_number

CONFIG_FILE, ENVIRONMENT_FILE, LOCK_FILE, LOG_FILE = "config.yaml", "environment.json", ".lock", "harness.log"

# What a start makes, by which a folder without a config is known to be of one.
OF_A_START = (LOCK_FILE, LOG_FILE, CONFIG_FILE, ENVIRONMENT_FILE, "raw/", "monitor/", "sessions/")

SESSIONS = "sessions"

# A line of a round, per mode; and what figures and page take. Generous: being wrong only asks for more room.
BYTES_PER_BLOCK = 250
BYTES_FOR_REPORT = 8 * 2**20

# What flock answers where a file system has none.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)

# The shards of a job array have a run directory each, in the folder that their merged run stands in.
SHARD = "shard-"


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


def default_path(name: str, job: str | None = None, shard: tuple[int, int] | None = None) -> Path:
    """results/<sweep>/<UTC time>, with a number after it when that one is taken.

    job: name of a job's run directory, which the job finds again when it is requeued; of a shard, a folder there.
    """
    root = Path(os.environ.get("HARNESS_RESULTS", "results"))
    if job is not None:
        return root / name / job / (f"{SHARD}{shard[0]}of{shard[1]}" if shard else "")
    stem = root / name / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    path, number = stem, 1
    while path.exists():
        number += 1
        path = stem.with_name(f"{stem.name}-{number}")
    return path


def session_folder(path: Path, session_id: str) -> Path:
    """Where a session's own files are, below the run directory."""
    return path / SESSIONS / session_id


def next_session_id(path: Path, session: Session, shard: tuple[int, int] | None = None) -> str:
    """Name of the next try at a session, not used before in this run directory, nor in that of another shard."""
    part = f"{SHARD}{shard[0]}of{shard[1]}-" if shard else ""
    number = 1
    while beneath.exists(path, f"{SESSIONS}/{part}{session.controller}-{session.devices}-try{number}"):
        number += 1
    return f"{part}{session.controller}-{session.devices}-try{number}"


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


def check_path(path: Path, config: Config, key: str = "out", claim: Claim | None = None) -> None:
    """Refuse a path that cannot become, or is not, this sweep's run directory; changes nothing.

    claim: how it is held for more than this process, as in open_run.
    """
    try:
        _check_path(path, config, key, claim)
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise ConfigError(key, path, f"a folder that can be written; {_told(error)}") from None


def _check_path(path: Path, config: Config, key: str, claim: Claim | None) -> None:
    if path.exists() and not path.is_dir():
        raise ConfigError(key, path, "a folder, new or of the same sweep; this is a file")
    if not path.exists():
        parent = next(p for p in (path.absolute().parents) if p.exists())
        if not parent.is_dir():
            raise ConfigError(key, path, f"a folder; {parent} is a file")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigError(key, path, f"a folder that can be made; {parent} is read-only")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(key, path, "a folder that can be written; this one is read-only")
    if claim is not None:
        claim.check(path, key)
    if beneath.exists(path, CONFIG_FILE):
        held = read_config(path, key)
        ours = yaml.safe_load(yaml.safe_dump(measured_config(config)))
        changed = [name for name in sorted({*held, *ours}) if held.get(name) != ours.get(name)]
        if changed:
            told = ", ".join(f"{n}={held.get(n)!r} there, {ours.get(n)!r} here" for n in changed[:3])
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise ConfigError(
                key,
                path,
                f"a new folder, or one of the same sweep; it holds another sweep's config ({told}{more})",
            )
    elif leftovers := _of_others(path, key):
        raise ConfigError(
            key,
            path,
            f"a new or empty folder, or a run directory; it holds other files ({sorted(leftovers)[0]})",
        )


def open_run(path: Path, config: Config, key: str = "out", claim: Claim | None = None) -> RunDirectory:
    """Make the run directory or open it again, and lock it.

    claim: how it is held where the lock does not reach; None where the lock is enough.
    Raises ConfigError if it is a file, cannot be written, holds another sweep or other files, or is in use.
    """
    check_path(path, config, key, claim)
    try:
        path.mkdir(parents=True, exist_ok=True)
        # The lock is the kernel's (flock): it ends with the process however that ends, so a killed sweep
        # leaves none behind. The file's text only tells people who holds it.
        Made(path, key, adopt=beneath.exists(path, CONFIG_FILE)).claim(*OF_A_START)
        lock = os.fdopen(beneath.open_file(path, LOCK_FILE, os.O_CREAT | os.O_RDWR), "r+")
    except OSError as error:
        raise ConfigError(key, path, f"a folder that can be written; {_told(error)}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return _opened(path, config, key, claim, lock)
        lock.seek(0)
        holder = lock.read(200).strip() or "another process"
        lock.close()
        raise ConfigError(
            key, path, f"a run directory that no other sweep writes to; it is locked by {holder}"
        ) from None
    return _opened(path, config, key, claim, lock)


def _opened(path: Path, config: Config, key: str, claim: Claim | None, lock: IO[str]) -> RunDirectory:
    """Check and make what a run needs, now that nobody else on this machine can."""
    try:
        owner = claim.take(path, key) if claim else None
        lock.seek(0)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        # Once more, now that nobody else can change it.
        check_path(path, config, key, claim)
        beneath.make_folder(path, "raw")
    except OSError as error:
        lock.close()
        raise ConfigError(key, path, f"a folder that can be written; {_told(error)}") from None
    except HarnessError:
        lock.close()
        raise
    return RunDirectory(path, lock, owner)


def describe_os_error(error: BaseException) -> str:
    """What went wrong in a few words, without the path that the message names anyway."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.splitlines()[0].lower() if text else type(error).__name__


def _told(error: OSError) -> str:
    """As describe_os_error, with the name of what below the folder it is about."""
    where = f"{error.filename}: " if isinstance(error, beneath.NotPlain) else ""
    return where + describe_os_error(error)


def _of_others(path: Path, key: str) -> list[str]:
    """What lies in a folder without a config and was not left by a start that was ended before it wrote one."""
    made = Made(path, key)
    return [each.name for each in path.iterdir() if not _left_by_a_start(each, made)]


def _left_by_a_start(path: Path, made: Made) -> bool:
    if path.is_dir() and not path.is_symlink() and path.name.startswith(SHARD):
        return True  # merged runs stand beside what they are merged from
    if path.name == LIST:
        return True
    if path.name == "raw":
        return "raw/" in made and path.is_dir() and not any(path.iterdir())
    being_written = path.name.startswith(".") and path.name.endswith(beneath.PARTIAL)
    return path.name in made or (made.is_listed and (being_written or owner_number(path.name) > 0))
