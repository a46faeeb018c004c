"""JSON lines: appended one at a time, and read by a reader that trusts none of them.

In: fields. Out: lines of a file, and the records in them. Must not know what a record means.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from harness.core.files import beneath

T = TypeVar("T")

# Kinds of lines that are left out. Beside them there is one for each reason for which a line of a known type cannot be
# a record.
TORN, BINARY, FOREIGN, LONG = "torn", "binary", "foreign", "long"
MISPLACED, HEADLESS, CONTRADICTING = "misplaced", "headless", "contradicting"
# So many reasons are told apart.
_MOST_REASONS = 20


class NoRecord(ValueError):
    """A line is JSON, and no record of ours; the message is the kind of defect."""


class Writer:
    """Appends records to one file. Each line reaches the kernel at once, so a killed process loses none."""

    def __init__(self, path: Path) -> None:
        """path: of a file in a folder of a run directory. Raises OSError, where a link leads there too."""
        self._file = _opened(path)
        if not _ends_with_newline(self._file):
            # A writer was killed within a line: end it, so that it spoils no further one.
            self._file.write(b"\n")

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record. Raises OSError when it cannot be written (no space left)."""
        line = json.dumps(
            {"type": kind, **fields}, separators=(",", ":"), allow_nan=False, ensure_ascii=False
        )
        # Half a character, as from a path that is not UTF-8, would make the line unreadable.
        data = line.encode("utf-8", "replace") + b"\n"
        while data:  # an unbuffered write may take a part only
            data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


def read_lines(descriptor: int, skipped: Counter[str], decoded: Callable[[bytes], T]) -> Iterator[T]:
    """The records of an open file; what is none is counted and left out.

    decoded: makes a record of a line. Raises NoRecord for what is none; for what is no JSON another ValueError,
    msgspec.DecodeError or RecursionError.
    """
    for line in beneath.lines(descriptor):
        if line is None:
            skipped[LONG] += 1
            continue
        try:
            record = decoded(line)
        except NoRecord as defect:
            skipped[_counted(str(defect), skipped)] += 1
        except (ValueError, msgspec.DecodeError, RecursionError):
            if line.strip():
                skipped[TORN if _is_text(line) else BINARY] += 1
        else:
            yield record


def told(skipped: Counter[str]) -> str:
    """`3 cut off or not JSON, 1 binary`: how many lines were left out, and why."""
    return ", ".join(f"{count} {_SKIPPED.get(kind, kind)}" for kind, count in sorted(skipped.items()))


_SKIPPED = {
    TORN: "cut off or not JSON",
    BINARY: "binary",
    FOREIGN: "not records of this harness",
    LONG: f"longer than {beneath.LONGEST_LINE >> 20} MiB",
    MISPLACED: "in another file than theirs",
    HEADLESS: "of a file that does not say whose it is, its first record being lost",
    CONTRADICTING: "of points that stand there before with other axes",
}


def _counted(defect: str, skipped: Counter[str]) -> str:
    """Whoever makes files up can make up reasons as well: not all of them are kept apart."""
    return defect if defect in skipped or len(skipped) < _MOST_REASONS else FOREIGN


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _opened(path: Path) -> IO[bytes]:
    run, folder = path.parent.parent, path.parent.name
    flags = os.O_CREAT | os.O_RDWR | os.O_APPEND
    return os.fdopen(beneath.open_file(run, f"{folder}/{path.name}", flags), "r+b", buffering=0)


def _ends_with_newline(file: IO[bytes]) -> bool:
    """Whether what is appended begins a line; appending takes place at the end, wherever a file is read."""
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
