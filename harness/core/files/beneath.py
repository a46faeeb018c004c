"""Files of a folder of unknown origin: opened through no link, only if they are plain files, and read within bounds.

In: a folder that the user has named, and a path below it. Out: descriptors and bytes, or OSError. Must not know what
the files hold.

A run directory may come from anybody: what is called config.yaml in it can be a link to a file of the reader's, a FIFO
that never answers or a device that never ends. The folder itself is the user's word and may be reached through links;
below it every step is taken relative to the one before (openat), and links are refused.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

# Longest line of records that is taken for one. A round of ten modes has some 2,500 bytes.
LONGEST_LINE = 2**20
# Ending of a file that is being written.
PARTIAL = ".partial"
_CHUNK = 2**20


class NotPlain(OSError):
    """What lies there is a link, a FIFO, a device or a folder: not followed, not opened. A plain OSError else."""


def open_file(root: Path, relative: str, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """A descriptor of root/relative. Raises NotPlain if it is no plain file or a link leads there, OSError else.

    To be written to, it must have no second name outside either (a hard link). Never truncates: see truncated.
    """
    *folders, name = PurePosixPath(relative).parts
    folder = open_folder(root, "/".join(folders))
    try:
        # O_NONBLOCK: a FIFO must not have us wait for somebody to write to it. It means nothing to plain files.
        descriptor = _opened(name, flags | os.O_NONBLOCK | os.O_NOCTTY, mode, folder, relative)
    finally:
        os.close(folder)
    found = os.fstat(descriptor)
    written = flags & os.O_ACCMODE != os.O_RDONLY
    if not stat.S_ISREG(found.st_mode) or (written and found.st_nlink > 1):
        os.close(descriptor)
        what = "has a second name elsewhere" if stat.S_ISREG(found.st_mode) else "no plain file"
        raise NotPlain(errno.EINVAL, what, relative)
    return descriptor


def open_folder(root: Path, relative: str = "", make: bool = False) -> int:
    """A descriptor of the folder root/relative. make: make what of it is missing. Raises NotPlain for links."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in PurePosixPath(relative).parts:
        try:
            if part == "..":
                raise NotPlain(errno.EINVAL, "leads out of its folder", relative)
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            below = _opened(part, os.O_RDONLY | os.O_DIRECTORY, 0, descriptor, relative)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _opened(name: str, flags: int, mode: int, folder: int, relative: str) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    except OSError as error:
        told = {
            errno.ELOOP: "a link, which is not followed",
            errno.ENXIO: "no plain file",  # a FIFO without a reader, a socket
        }
        if error.errno == errno.ENOTDIR and _is_link(name, folder):
            raise NotPlain(errno.ELOOP, told[errno.ELOOP], relative) from None
        if error.errno in told:
            raise NotPlain(error.errno, told[error.errno], relative) from None
        error.filename = relative
        raise


def _is_link(name: str, folder: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False


def read(root: Path, relative: str, most: int) -> bytes:
    """The whole of a file. Raises OSError (EFBIG) if it has more than `most` bytes."""
    with os.fdopen(open_file(root, relative), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most / 2**20:g} MiB", relative)
    return content


def lines(descriptor: int, longest: int = LONGEST_LINE) -> Iterator[bytes | None]:
    """The lines of an open file, which is closed in the end; None for each that is longer than `longest` bytes.

    Takes memory for one line, however long a line is.
    """
    with os.fdopen(descriptor, "rb", buffering=_CHUNK) as file:
        while line := file.readline(longest + 1):
            if len(line) <= longest or line.endswith(b"\n"):
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = file.readline(longest)
            yield None


def names(root: Path, relative: str, pattern: str) -> list[str]:
    """Names in a folder that match a pattern of the shell; none where there is no such folder. Raises NotPlain."""
    try:
        folder = open_folder(root, relative)
    except FileNotFoundError:
        return []
    try:
        return sorted(fnmatch.filter(os.listdir(folder), pattern))  # noqa: PTH208 (of a descriptor)
    finally:
        os.close(folder)


def size(root: Path, relative: str) -> int:
    """Bytes of a plain file; 0 where there is none."""
    try:
        descriptor = open_file(root, relative)
    except OSError:
        return 0
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def exists(root: Path, relative: str) -> bool:
    """Whether anything lies there, a link that leads nowhere too."""
    return os.path.lexists(root / relative)


def make_folder(root: Path, relative: str) -> Path:
    """The folder root/relative, made where it is not there. Raises NotPlain where a link leads there."""
    os.close(open_folder(root, relative, make=True))
    return root / relative


def replace(root: Path, relative: str, content: bytes | IO[bytes]) -> None:
    """Write a file whole or not at all: beside its place, then moved over it. A link in its place is replaced.

    content: or an open file to copy.
    """
    *folders, name = PurePosixPath(relative).parts
    folder = open_folder(root, "/".join(folders), make=True)
    beside = f".{name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}"
    try:
        descriptor = _opened(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666, folder, relative)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    shutil.copyfileobj(content, file)
            os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside, dir_fd=folder)
            raise
    finally:
        os.close(folder)


def remove(root: Path, relative: str) -> None:
    """Remove a file, or a link instead of what it leads to; nothing if there is none."""
    *folders, name = PurePosixPath(relative).parts
    with contextlib.suppress(FileNotFoundError):
        folder = open_folder(root, "/".join(folders))
        try:
            os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)


def truncated(descriptor: int) -> int:
    """The same file, emptied: after it was found to be a plain one, where O_TRUNC would have been before."""
    os.ftruncate(descriptor, 0)
    return descriptor
