"""Raw records: JSON lines that are only ever appended, and the reader that trusts none of them.

In: plain dicts. Out: files raw/*.jsonl, and the records in them. Must not know torch or what the numbers mean.

One file per session and rank, and `launcher.jsonl`. Every line is an object with a `type`; REQUIRED
lists the fields that a reader may rely on.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeGuard

from harness.core.files import beneath
from harness.core.files.plain import DEEPEST, is_deep

try:
    from orjson import loads as parse
except ImportError:  # a machine that lacks it reads more slowly, but reads

    def parse(line: bytes) -> Any:  # type: ignore[misc]
        """json.loads, without the numbers that are none, which JSON does not have."""
        return json.loads(line, parse_constant=_no_number)


RAW, LAUNCHER_FILE = "raw", "launcher.jsonl"

_NUMBER = (int, float)

# Half of what a 64-bit integer holds, so that two of them can be added: nothing that we write comes near.
_LARGEST = 2**62

# Field -> type, for each type of record. Times end in their unit; *_ns of the system's monotonic clock.
REQUIRED: dict[str, dict[str, Any]] = {
    # launcher.jsonl
    "start": {"device_kind": str, "device_name": str, "cores": int},
    "point": {"key": str, "cell": str, "axes": dict, "needs_python": bool},
    "outcome": {"key": str, "status": str, "error": str},
    # <session>-rank<k>.jsonl
    "session": {"session": str, "rank": int, "ranks": int, "device_kind": str, "device_name": str},
    "cell": {"cell": str, "keys": dict},
    "prepared": {"cell": str, "key": str, "prepare_s": _NUMBER, "first_call_s": _NUMBER},
    "dropped": {"cell": str, "key": str, "status": str, "error": str, "at_ns": int},
    "round": {"cell": str, "round": int, "blocks": list},
    "window": {"cell": str, "key": str, "start_ns": int, "end_ns": int, "steps": int},
    "end": {"cell": str, "stop": str, "keys": list},
    "closing": {"wall_s": _NUMBER, "busy_s": _NUMBER},
}


# Numbers that a block may have beside those that it must have.
MAYBE = (
    *("cpu_ns", "main_ns", "waits", "preemptions", "fastest_ns"),
    *("issue_ns", "device_ns", "growth"),
)


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


@dataclass
class RawData:
    """All records of a run, by file, and what was skipped. skipped: kind of defect -> lines; unread: files that are
    no plain files, and why."""

    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)


def read_raw(directory: Path, prefix: str = "") -> RawData:
    """Read raw/<prefix>*.jsonl of a run directory. Bad lines are skipped and counted, never fatal.

    torn: a last line without its end, or cut in the middle; binary: not UTF-8; foreign: JSON that is no
    record of ours; long: more than a line of ours can have. Raises OSError if the directory cannot be read.
    """
    data = RawData()
    for name in sorted(beneath.names(directory, RAW, f"{prefix}*.jsonl"), key=_in_order):
        try:
            descriptor = beneath.open_file(directory, f"{RAW}/{name}")
        except beneath.NotPlain as error:
            data.unread.append(f"{RAW}/{name}: {error.strerror}")
        else:
            data.files[name] = list(read_lines(descriptor, data.skipped, _is_record))
    return data


def read_launcher(directory: Path) -> list[dict[str, Any]]:
    """The records of launcher.jsonl alone. Raises OSError if the directory cannot be read."""
    return read_raw(directory, prefix=LAUNCHER_FILE.removesuffix(".jsonl")).files.get(LAUNCHER_FILE, [])


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


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sort key by which try 10 comes after try 2."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]{1,18})", name)]


def _may_be_deep(line: bytes) -> bool:
    """Told by counting, since a look at every value takes as long as reading the line."""
    return line.count(b"[") + line.count(b"{") > DEEPEST


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in REQUIRED:
        return False
    for name, wanted in REQUIRED[kind].items():
        value = record.get(name)
        if not isinstance(value, wanted):
            return False
        if wanted in (int, _NUMBER) and not is_number(value):
            return False
    if kind == "window":
        return bool(record["steps"] > 0 and 0 <= record["start_ns"] < record["end_ns"])
    if kind == "round":
        return all(_is_block(block) for block in record["blocks"])
    if kind == "cell":
        return all(isinstance(key, str) for key in record["keys"].values())
    return kind != "end" or all(isinstance(key, str) for key in record["keys"])


def _is_block(block: Any) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("key"), str):
        return False
    steps, start, end = block.get("steps"), block.get("start_ns"), block.get("end_ns")
    # A clock that ran backwards or stood still, or no steps at all, would make nonsense of a ratio.
    if not (type(steps) is int and type(start) is int and type(end) is int):
        return False
    usage = (block.get(name) for name in MAYBE)
    return (
        0 < steps < _LARGEST and 0 <= start < end < _LARGEST and all(u is None or is_number(u) for u in usage)
    )


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite number that a table of 64-bit numbers can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -_LARGEST < value < _LARGEST  # false for infinities, and for what is not a number


def whole_number(value: object) -> int | None:
    """The value if it is a whole number that a table can hold, else None."""
    return value if is_number(value) and type(value) is int else None


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
