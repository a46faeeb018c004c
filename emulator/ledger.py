"""The emulator's ledger: what each device did, and when, as the emulator knows it.

In: the folder that EMULATOR_TRACE named. Out: numpy arrays of work. Must not know the harness, whose figures
are held against it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

# struct TraceRecord of src/trace.h. Times in nanoseconds of the monotonic clock.
RECORD = np.dtype(
    [
        ("called", "<u8"),
        ("returned", "<u8"),
        ("start", "<u8"),
        ("end", "<u8"),
        ("modelled", "<u8"),
        ("device", "<u2"),
        ("kind", "<u2"),
        ("stream", "<u4"),
    ]
)
KINDS = ("kernel", "gemm", "copy", "memset", "collective", "graph", "hold")

Records = np.ndarray[Any, np.dtype[np.void]]


def read_trace(folder: Path) -> Records:
    """All work of all processes of a node, in the order of its beginning. A torn last record is dropped."""
    parts = []
    for path in sorted(folder.glob("*.trace")):
        data = path.read_bytes()
        parts.append(np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], dtype=RECORD))
    records = np.concatenate(parts) if parts else np.empty(0, dtype=RECORD)
    return records[np.argsort(records["start"], kind="stable")]


def busy_ns(records: Records, start: int, end: int, gap_ns: int = 0) -> int:
    """Nanoseconds of [start, end) in which any of the work ran. records: of one device, by their start. gap_ns: of the
    profile (queued_gap_us), where the device's own gaps between works that were queued are to count, as they do for
    NVML."""
    starts = records["start"].astype(np.int64)
    ends = records["end"].astype(np.int64)
    if gap_ns and len(starts) > 1:
        before = np.maximum.accumulate(ends)[:-1]
        queued = (starts[1:] > before) & (starts[1:] - before <= gap_ns)
        starts[1:] = np.where(queued, before, starts[1:])
    starts, ends = np.clip(starts, start, end), np.clip(ends, start, end)
    if not len(starts):
        return 0
    # How far earlier work reaches: of each piece counts what lies beyond.
    reached = np.concatenate(([start], np.maximum.accumulate(ends)[:-1]))
    return int(np.maximum(ends - np.maximum(starts, reached), 0).sum())


def needed_ns(records: Records, start: int, end: int, gap_ns: int) -> int:
    """Nanoseconds of [start, end) that the device needs for the work however early it is launched: with the gap behind
    each, whether something was queued there or not."""
    longer = records.copy()
    longer["end"] += gap_ns
    return busy_ns(longer, start, end)
