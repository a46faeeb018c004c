"""JSON lines: appended one at a time, and read by a reader that trusts none of them.

In: plain dicts. Out: lines of a file, and the records in them. Must not know what a record means.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from harness.core.files import beneath
from harness.core.files.plain import DEEPEST, is_deep

try:
    from orjson import loads as parse
except ImportError:  # a machine that lacks it reads more slowly, but reads

    def parse(line: bytes) -> Any:  # type: ignore[misc]
        """json.loads, without the numbers that are none, which JSON does not have."""
        return json.loads(line, parse_constant=_no_number)


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


def read_lines(
    descriptor: int, skipped: Counter[str], is_record: Callable[[Any], bool]
) -> Iterator[dict[str, Any]]:
    """The records of an open file; what is_record does not know, or is no JSON, is counted and left out."""
    for line in beneath.lines(descriptor):
        if line is None:
            skipped["long"] += 1
            continue
        if not line.strip():
            continue
        try:
            record = parse(line)
        except (ValueError, RecursionError):
            skipped["torn" if _is_text(line) else "binary"] += 1
        else:
            if is_record(record) and not (_may_be_deep(line) and is_deep(record)):
                yield record
            else:
                skipped["foreign"] += 1


def told(skipped: Counter[str]) -> str:
    """`3 cut off or not JSON, 1 binary`: how many lines were left out, and why."""
    return ", ".join(f"{count} {_SKIPPED[kind]}" for kind, count in sorted(skipped.items()))


_SKIPPED = {
    "torn": "cut off or not JSON",
    "binary": "binary",
    "foreign": "not records of this harness",
    "long": f"longer than {beneath.LONGEST_LINE >> 20} MiB",
}


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _may_be_deep(line: bytes) -> bool:
    """Told by counting, since a look at every value takes as long as reading the line."""
    return line.count(b"[") + line.count(b"{") > DEEPEST


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
