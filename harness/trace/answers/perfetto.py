"""The gaps of a rank's devices as a trace that Perfetto and chrome://tracing show: a track of their causes beside what
the devices and the host did.

In: a Rank. Out: the text of a trace file, piece by piece. Must not know where it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from harness.core.text import shown
from harness.trace.idle import CAUSES, Device
from harness.trace.looked import Rank
from harness.trace.reading.trace import Table

# Numbers of processes and threads in the file; a device's streams have their own.
_HOST, _FIRST_DEVICE = 1, 1000
_STEPS, _GAPS = 2**31 - 1, 2**31 - 2


def trace_text(rank: Rank) -> Iterator[str]:
    """Times in us since the first event."""
    yield '{"displayTimeUnit": "ns", "traceEvents": [\n'
    zero = _zero(rank)
    for event in (*_names(rank), *_events(rank)):
        if event["ph"] == "X":
            event["ts"], event["dur"] = (event["ts"] - zero) / 1000, event["dur"] / 1000
        yield json.dumps(event) + ",\n"
    # JSON allows no comma behind the last.
    yield json.dumps(_name("process_sort_index", _FIRST_DEVICE, sort_index=-1)) + "\n]}\n"


def _zero(rank: Rank) -> int:
    trace = rank.trace
    tables = (trace.work, trace.calls, trace.operators, trace.python)
    return min((int(table["start"].min()) for table in tables if len(table)), default=0)


def _names(rank: Rank) -> Iterator[dict[str, Any]]:
    yield _name("process_name", _HOST, name=f"{rank.label}: host")
    yield _name("thread_name", _HOST, _STEPS, name="steps")
    for device in rank.whole:
        pid = _FIRST_DEVICE + device.number
        of = rank.trace.device_names.get(device.number, "")
        yield _name("process_name", pid, name=f"{rank.label}: device {device.number} {of}".strip())
        yield _name("thread_name", pid, _GAPS, name="idle, by cause")


def _events(rank: Rank) -> Iterator[dict[str, Any]]:
    trace = rank.trace
    for device in rank.whole:
        yield from _gaps(rank, device)
    devices, streams = trace.work["device"] + _FIRST_DEVICE, trace.work["stream"]
    yield from _table(rank, trace.work, zip(devices.tolist(), streams.tolist(), strict=True))
    for number, (start, end) in trace.steps.items():
        yield _event(f"step {number}", start, end, _HOST, _STEPS)
    for table in (trace.operators, trace.calls, trace.python):
        yield from _table(rank, table, ((_HOST, thread) for thread in table["thread"].tolist()))


def _gaps(rank: Rank, device: Device) -> Iterator[dict[str, Any]]:
    gaps = device.gaps
    for cause in CAUSES:
        spans = device.causes[cause]
        of_gap = np.searchsorted(gaps.starts, spans.starts, side="right") - 1
        for (start, end), place in zip(spans, of_gap.tolist(), strict=True):
            call = int(gaps.call[place])
            about = {
                "gap_us": int(gaps.lengths[place]) / 1000,
                "operator": shown(rank.operators[call]),
                "python": shown(rank.python[call]),
            }
            event = _event(cause, start, end, _FIRST_DEVICE + device.number, _GAPS)
            yield {**event, "args": about}


def _table(rank: Rank, table: Table, places: Iterable[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    texts = rank.trace.names.texts
    columns = (table[name].tolist() for name in ("name", "start", "end"))
    for name, start, end, (pid, tid) in zip(*columns, places, strict=True):
        yield _event(texts[name], start, end, pid, tid)


def _event(name: str, start: int, end: int, pid: int, tid: int) -> dict[str, Any]:
    return {"ph": "X", "name": shown(name), "ts": start, "dur": end - start, "pid": pid, "tid": tid}


def _name(kind: str, pid: int, tid: int = 0, **arguments: Any) -> dict[str, Any]:
    about = {key: shown(value) if isinstance(value, str) else value for key, value in arguments.items()}
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": about}
