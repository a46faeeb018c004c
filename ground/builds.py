"""Builds of C++ sources that are kept: found again where nothing has changed, and run only if nobody else made them.

In: a name that says all a build depends on, and what compiles it. Out: a folder. Must not know what is compiled.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from ground.private import is_ours_alone

# The last file of a build. Folders are moved to their names whole: this is for those that were copied in part.
COMPLETE = "complete"


class ForeignBuild(OSError):
    """Another user has made, or could change, what would be loaded into this process."""


def cache_folder(checkout: Path) -> Path:
    """build/ of this user's own checkout, or the user's cache where the package is installed or somebody else's; one
    beside temporary files for a user without a home. Raises ForeignBuild where another user has taken its name."""
    if (checkout / "pyproject.toml").exists() and os.access(checkout, os.W_OK) and _is_own(checkout):
        return checkout / "build"
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "harness"
    try:
        return Path.home() / ".cache" / "harness"
    except RuntimeError:  # a user that the system does not know, and who has no HOME
        kept = Path(tempfile.gettempdir()) / f"cache-of-{os.getuid()}"
        make_own(kept)
        return kept / "harness"


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a finished build. Raises ForeignBuild if it holds one that is not this user's."""
    try:
        ours = is_ours_alone(folder)
    except FileNotFoundError:
        return False
    if not ours:
        raise ForeignBuild(f"{folder} belongs to another user, or others may write to it: remove it")
    return (folder / COMPLETE).exists()


def keep_build(folder: Path, compile_all: Callable[[Path], None], say: Callable[[], None]) -> None:
    """Compile into a new folder and give it its name: all or nothing, so a build that is killed leaves none of it.

    One at a time: the ranks of a session would all compile the same. say: called before it takes time. Raises
    ForeignBuild where the folder around it is another user's.
    """
    make_own(folder.parent)
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(folder.parent / f"{folder.name}.lock", flags, 0o600), "r+b") as lock:
        with contextlib.suppress(OSError):  # of a file system without locks: then each compiles for itself
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(folder):
            return
        say()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"building-{folder.name}-") as temporary:
            made = Path(temporary) / "made"
            made.mkdir(
                mode=0o700
            )  # what is in it is executed: nobody else may write there, whatever the umask is
            compile_all(made)
            (made / COMPLETE).touch()
            try:
                made.rename(folder)
            except OSError:  # another machine that shares the folder was first, whom the lock may not reach
                if not is_complete(folder):
                    raise


def make_own(folder: Path) -> None:
    """Make a folder of a cache. Raises ForeignBuild if there is one that is not this user's."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_own(folder) or found.st_mode & stat.S_IWOTH:
        raise ForeignBuild(
            f"{folder} is another user's, or anybody may write to it: name another with XDG_CACHE_HOME"
        )


def _is_own(path: Path) -> bool:
    return path.stat().st_uid == os.geteuid()
