"""Folders that nobody else can have prepared, enter, or be surprised by: for all that lies in /tmp and /dev/shm.

In: a purpose and the folders it may lie in. Out: a folder of this user alone, removed in the end; those of processes
that were killed are removed by the next one that asks. Must not know what is kept there.

A name that can be guessed can be taken first by another user of the machine, with links inside to files of whoever
comes second. So names are random (mkdtemp), the folder is entered by its owner alone (0700), and it lies where nobody
else may rename it. Whether its maker lives is asked of a lock of the kernel, which ends with the process however that
ends: a process id says nothing in another container that has the same /tmp.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# Memory rather than disk, and written by everybody too.
SHARED_MEMORY = Path("/dev/shm")
# As mkdtemp makes them of a purpose and a user's number. What anybody else calls harness-something is none of ours.
_OURS = re.compile(r"harness-[a-z]+-[0-9]+-[a-z0-9_]{8}")
# In the lock, by which a folder is known to be ours and not one that is only called so.
_MARK = b"a private folder of the harness\n"
# A lock may reach no further than the kernel it is asked of, where a temporary folder is shared between machines: what
# another one has made, or this one before it was last started, is left to whoever clears such folders.
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Held locked while the maker lives.
LOCK = ".alive"


class NoPrivateFolder(OSError):
    """There is no folder in which one of our own would be safe."""


@contextlib.contextmanager
def private_folder(purpose: str, bases: Sequence[Path] = ()) -> Iterator[Path]:
    """A new folder of mode 0700 in the first of `bases` that is safe; by default in the temporary folder.

    purpose: a word, part of its name. Raises NoPrivateFolder where no base is safe, OSError where none can be made.
    """
    candidates = tuple(bases) or temporary_bases()
    safe = [base.resolve() for base in candidates if is_safe(base)]
    for base in dict.fromkeys((*safe, *temporary_bases(), SHARED_MEMORY)):
        _remove_left_behind(base)
    if not safe:
        named = ", ".join(map(str, candidates))
        raise NoPrivateFolder(
            f"no folder for temporary files is safe from other users ({named}): name one of your own with TMPDIR"
        )
    folder, lock = _made(safe[0], f"harness-{purpose}-{os.geteuid()}-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def private_temporary_folder(purpose: str) -> Iterator[Path]:
    """As private_folder; within, whatever this process and its children call a temporary file lies there too."""
    with private_folder(purpose) as folder:
        before, kept = os.environ.get("TMPDIR"), tempfile.tempdir
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = kept
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before


def temporary_bases() -> tuple[Path, ...]:
    """Where temporary files go: what TMPDIR names, else the system's."""
    return tuple(dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp"))))


def is_safe(base: Path) -> bool:
    """Whether nobody but this user and root can move what this user makes there.

    As sshd asks of the way to a user's keys: each folder on it belongs to one of the two, and is written by no others
    or keeps what is theirs (sticky).
    """
    try:
        folder = base.resolve(strict=True)
        on_the_way = [each.stat() for each in (folder, *folder.parents)]
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK) and all(_is_kept(found) for found in on_the_way)


def _is_kept(found: os.stat_result) -> bool:
    owners = {0, os.geteuid()} | _of_nobody_here()
    others_write = bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return found.st_uid in owners and (not others_write or bool(found.st_mode & stat.S_ISVTX))


def _of_nobody_here() -> set[int]:
    """In a user namespace, as of a container without privileges, root's files seem to be this one's."""
    with contextlib.suppress(OSError, ValueError):
        if Path("/proc/self/uid_map").read_text(encoding="utf-8").split() != ["0", "0", "4294967295"]:
            return {int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="utf-8"))}
    return set()


def is_ours_alone(path: Path) -> bool:
    """Whether a file or folder is no link, belongs to this user, and no other user may write to it."""
    found = path.lstat()
    return (
        not stat.S_ISLNK(found.st_mode)
        and found.st_uid == os.geteuid()
        and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _made(base: Path, prefix: str) -> tuple[Path, int]:
    """The folder, and its lock's descriptor."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.write(lock, _MARK + _kernel())
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process takes it for left behind and is about to remove it
            os.close(lock)
            continue
        except OSError:
            pass  # a file system without locks has no one who could find the folder to be left behind, either
        if os.fstat(lock).st_nlink and (folder / LOCK).exists():
            return folder, lock
        os.close(lock)  # removed between the two lines above, as if left behind


def _kernel() -> bytes:
    """What tells this start of this machine from every other, in all of its containers alike."""
    try:
        return _BOOT.read_bytes()
    except OSError:
        return os.uname().nodename.encode()


def _remove_left_behind(base: Path) -> None:
    try:
        names = [name for name in os.listdir(base) if _OURS.fullmatch(name)]  # noqa: PTH208 (names are wanted)
    except OSError:
        return
    for name in names:
        # What is gone already, belongs to others or cannot be opened is none of ours.
        with contextlib.suppress(OSError):
            _remove_if_left_behind(base / name)


def _remove_if_left_behind(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        return
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # anybody's, or made a moment ago; one that was killed in that moment is empty, and stays
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError where its maker lives
        if os.read(lock, 4096) == _MARK + _kernel():
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
