"""Raw records: what ranks and launcher write down, a type a line, and which lines are such records.

In: files raw/*.jsonl of a run directory. Out: the records in them. Must not know torch or what the numbers mean.

One file per session and rank, and `launcher.jsonl`. Every line is an object with a `type`; REQUIRED
lists the fields that a reader may rely on.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.files import beneath
from harness.core.numbers import LARGEST, is_number
from harness.records.lines import read_lines

RAW, LAUNCHER_FILE = "raw", "launcher.jsonl"
_NUMBER = (int, float)
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


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sort key by which try 10 comes after try 2."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]{1,18})", name)]


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
        0 < steps < LARGEST and 0 <= start < end < LARGEST and all(u is None or is_number(u) for u in usage)
    )
