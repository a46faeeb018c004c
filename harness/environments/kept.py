"""Where environments that the harness makes are kept, and which of what lies there is ours.

In: an Environment. Out: its folder, what its mark says, a lock, its removal. Must not know how one is made.

One folder for all of them, a folder each, whose name has a digest of what was asked for: what is asked for otherwise is
another one. The mark is written before anything else, so that of a half-made one it is known whose it is, and once more
at the end. What has no mark is somebody else's, and is neither used nor removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ground.builds import ForeignBuild, cache_folder, make_own
from ground.private import is_ours_alone
from harness.core.errors import ConfigError, HarnessError
from harness.core.files import beneath
from harness.core.files.places import CHECKOUT
from harness.core.files.plain import read_json
from harness.environments.document import Environment, environment_of
from harness.environments.standin import digest_of

VARIABLE = "HARNESS_ENVIRONMENTS"
MARK = "harness-environment.json"
_FORM = 1


@dataclass(frozen=True)
class Kept:
    """One that is there, by its mark. python: the version it was made with, empty while it is half-made."""

    folder: Path
    environment: Environment
    is_complete: bool
    python: str

    @property
    def interpreter(self) -> Path:
        return interpreter_in(self.folder)


def root() -> Path:
    """Of all environments; need not be there yet."""
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser().resolve()
    try:
        return cache_folder(CHECKOUT) / "environments"
    except ForeignBuild as error:
        raise HarnessError(str(error)) from None


def make_root() -> Path:
    """Raises HarnessError where it cannot be made, or another user could put something into it."""
    folder = root()
    try:
        # Around one that is named is whatever its user has chosen.
        if not os.environ.get(VARIABLE):
            make_own(folder.parent)
        make_own(folder)
    except ForeignBuild:
        why = "is another user's, or anybody may write to it"
        raise HarnessError(f"{folder} {why}: name another folder with {VARIABLE}") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise HarnessError(f"{folder}: cannot be made: {why}; name another folder with {VARIABLE}") from None
    return folder


def folder_of(environment: Environment) -> Path:
    """Of one that is made; need not be there yet. Variables are not part of what is made; the sources of its stand-ins
    are: where one has changed, it is made anew, beside what was made before."""
    environment = environment.made_as
    asked: list[object] = [environment.framework, environment.python, sorted(environment.requirements)]
    asked.append(environment.index)
    # What most have none of changes no name where there is none.
    compiled = [[name, digest_of(name)] for name in environment.stand_ins]
    asked += [[*kind] for kind in (environment.build_requires, compiled) if kind]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]
    return root() / f"{environment.name}-{digest}"


def interpreter_in(folder: Path) -> Path:
    return folder / "venv" / "bin" / "python"


def read_mark(folder: Path) -> Kept | None:
    """None where there is no mark, or it is not this folder's: then the folder is none of ours."""
    if folder.is_symlink():
        return None
    plain = read_json(folder / MARK)
    if not plain or plain.get("harness_environment") != _FORM or plain.get("folder") != folder.name:
        return None
    document, name, python = plain.get("document"), plain.get("name"), plain.get("python")
    if not isinstance(document, dict) or not isinstance(name, str) or not isinstance(python, str):
        return None
    try:
        environment = environment_of(name, document)
    except ConfigError:
        return None
    return Kept(folder, environment, plain.get("complete") is True, python)


def write_mark(folder: Path, environment: Environment, *, python: str = "", complete: bool = False) -> None:
    """Raises OSError."""
    plain = {
        "harness_environment": _FORM,
        "folder": folder.name,
        "name": environment.name,
        "complete": complete,
        "python": python,
        "document": {
            "framework": environment.framework,
            "python": environment.python,
            "requirements": list(environment.requirements),
            "variables": dict(environment.variables),
            "index": environment.index,
            "build_requires": list(environment.build_requires),
            "stand_ins": list(environment.stand_ins),
        },
    }
    beneath.replace(folder, MARK, json.dumps(plain, indent=1).encode() + b"\n")


def found_there() -> list[Kept]:
    """All that are ours, by name. Raises HarnessError where the folder cannot be read."""
    try:
        folders = sorted(path for path in root().iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HarnessError(f"{root()}: cannot be read: {error.strerror or error}") from None
    return [kept for folder in folders if (kept := read_mark(folder))]


def is_safe_to_run(folder: Path) -> bool:
    """Whether nobody else has made, or could change, what would be started of it."""
    try:
        return is_ours_alone(folder) and is_ours_alone(folder.parent)
    except OSError:
        return False


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """One at a time makes or removes it. waiting: called where another one does. The folder around it is there."""
    with _lock(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # of a file system without locks: then each for itself
        yield


def is_being_made(folder: Path) -> bool:
    """Whether some process holds its lock now."""
    if not _lock_path(folder).exists():
        return False
    with _lock(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
    return False


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[int]:
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(_lock_path(folder), flags, 0o600)
    except OSError as error:
        raise HarnessError(f"{_lock_path(folder)}: cannot be opened: {error.strerror or error}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove one of ours, its mark last: of what a kill leaves it is still known whose it is. Links in it are removed,
    and not what they lead to. Raises HarnessError where there is no mark, or something cannot be removed."""
    kept = read_mark(folder)
    if kept is None:
        raise HarnessError(f"{folder} has no mark of the harness ({MARK}): nothing was removed")
    try:
        write_mark(folder, kept.environment)
        for path in folder.iterdir():
            if path.name == MARK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (folder / MARK).unlink()
        folder.rmdir()
    except OSError as error:
        raise HarnessError(f"{folder}: cannot be removed: {error.strerror or error}") from None


def size_of(folder: Path) -> int:
    """Bytes that it takes on the disk."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(path) / name).st_blocks * 512
    return total
