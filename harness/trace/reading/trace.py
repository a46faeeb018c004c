"""One rank's trace in columns: what its devices did, what its threads called, and its steps.

In: events of a trace file. Out: a Trace. Must not know what any of it was waiting for.

Kineto's dialects (torch 1.8 to 2.14, CUDA and ROCm) differ in how they spell categories and where they put a call's
number: all that is told apart here and nowhere else.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.trace.reading.json_stream import NoTrace, Progress, TraceFile
from harness.trace.spans import Spans, Times

KERNEL, COPY, MEMSET = range(3)
WORK = {"kernel": KERNEL, "gpu_memcpy": COPY, "memcpy": COPY, "gpu_memset": MEMSET, "memset": MEMSET}
CALLS = {"cuda_runtime", "cuda_driver", "runtime", "hip_runtime", "privateuse1_runtime"}
OPERATORS = {"cpu_op", "operator"}
ANNOTATIONS = {"user_annotation"}
PYTHON = {"python_function"}
SYNC = {"cuda_sync"}
_KNOWN = {*WORK, *CALLS, *OPERATORS, *ANNOTATIONS, *PYTHON, *SYNC}
# What a graph or another rank would have to find the same.
_SHAPE = ("grid", "block", "bytes", "Collective name", "In msg nelems", "Process Group Name")
_STEP = re.compile(r"ProfilerStep\s*#?\s*(\d+)")
_LOADER = re.compile(r"DataLoader|dataloader")
_COLLECTIVE = re.compile(r"nccl|rccl|AllReduce|AllGather|ReduceScatter|AllToAll|oneccl", re.IGNORECASE)
# 146 years: what is beyond is no time.
_MOST_US = 2**62 / 1000
_NUMBERS = (int, float)


class Names:
    """Texts as small numbers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def of(self, text: str) -> int:
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = len(self.texts)
            self.texts.append(text)
        return number


class Table:
    """Rows of whole numbers, by named columns."""

    def __init__(self, *columns: str) -> None:
        self._places = {name: place for place, name in enumerate(columns)}
        self._numbers = array("q")

    def add(self, *values: int) -> None:
        """A value for each column. Not once columns have been looked at."""
        self._numbers.extend(values)

    def __len__(self) -> int:
        return len(self._numbers) // len(self._places)

    def __getitem__(self, name: str) -> Times:
        column: Times = self._columns[self._places[name]]
        return column

    @cached_property
    def _columns(self) -> Times:
        if not len(self._numbers):
            return np.empty((len(self._places), 0), np.int64)
        return np.ascontiguousarray(np.frombuffer(self._numbers, np.int64).reshape(-1, len(self._places)).T)


@dataclass
class Trace:
    """Times in ns, all of one clock. work: of devices; calls: of the runtime; operators, python: of host threads;
    waits: of one stream for another. steps: number -> its time. work's shape: its launch's
    dimensions, or bytes, as one of the names. loader: when a data loader was asked, by thread. rank:
    None where the trace does not say. cut: why it is not whole. ranks: in the job; None where it is not known."""

    path: Path
    names: Names = field(default_factory=Names)
    work: Table = field(
        default_factory=lambda: Table(
            *("start", "end", "device", "stream", "correlation", "kind", "name", "shape")
        )
    )
    calls: Table = field(default_factory=lambda: Table("start", "end", "thread", "correlation", "name"))
    operators: Table = field(default_factory=lambda: Table("start", "end", "thread", "name"))
    python: Table = field(default_factory=lambda: Table("start", "end", "thread", "name"))
    waits: Table = field(default_factory=lambda: Table("start", "stream", "correlation"))
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)
    loader: Table = field(default_factory=lambda: Table("start", "end", "thread"))
    rank: int | None = None
    ranks: int | None = None
    device_names: dict[int, str] = field(default_factory=dict)
    cut: str = ""

    @property
    def devices(self) -> list[int]:
        return sorted(set(self.work["device"].tolist()))

    def is_collective(self, name: int) -> bool:
        return bool(_COLLECTIVE.search(self.names.texts[name]))


def read_trace(path: Path, progress: Progress = lambda _: None) -> Trace:
    """progress: called with the number of further bytes of the file that were read.

    Raises NoTrace where it is none, OSError where it cannot be read.
    """
    file, trace = TraceFile(path, progress), Trace(path)
    reader = _Reader(trace)
    for events in file.events():
        for event in events:
            reader.take(event)
    trace.cut = file.cut
    trace.device_names = _device_names(file.about.get("deviceProperties"))
    about = file.about.get("distributedInfo")
    if isinstance(about, dict):
        trace.rank, trace.ranks = _whole(about.get("rank")), _whole(about.get("world_size"))
    if not (len(trace.work) or len(trace.operators) or len(trace.calls)):
        raise NoTrace(f"{path}: no trace of torch.profiler: neither device nor host events in it")
    return trace


def _device_names(found: object) -> dict[int, str]:
    if not isinstance(found, list):
        return {}
    each = [entry for entry in found if isinstance(entry, dict)]
    return {
        number: str(entry["name"])
        for entry in each
        if (number := _whole(entry.get("id"))) is not None and entry.get("name")
    }


class _Reader:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._threads: dict[tuple[str, str], int] = {}
        self._kinds: dict[str, str] = {}

    def take(self, event: Any) -> None:
        """Whatever is no event that is known is left out."""
        if not isinstance(event, dict) or event.get("ph") != "X":
            return
        kind, times = self._kind(event.get("cat")), _times(event)
        if not kind or times is None:
            return
        start, end = times
        trace, given = self._trace, event.get("args")
        arguments = given if isinstance(given, dict) else {}
        name = str(event.get("name", ""))
        if kind in WORK:
            self._take_work(event, arguments, start, end, WORK[kind], name)
            return
        thread = self._thread(event)
        if kind in CALLS:
            number = _first(arguments, "correlation", "External id", "external id", default=-1)
            trace.calls.add(start, end, thread, number, trace.names.of(name))
        elif kind in OPERATORS:
            trace.operators.add(start, end, thread, trace.names.of(name))
        elif kind in PYTHON:
            trace.python.add(start, end, thread, trace.names.of(name))
        elif kind in SYNC and "wait event" in name.lower():
            trace.waits.add(
                start, _first(arguments, "stream", default=-1), _first(arguments, "correlation", default=-1)
            )
        elif kind in ANNOTATIONS:
            if found := _STEP.match(name):
                trace.steps[int(found[1])] = (start, end)
            elif _LOADER.search(name):
                trace.loader.add(start, end, thread)
            else:
                trace.operators.add(start, end, thread, trace.names.of(name))

    def _take_work(
        self, event: dict[str, Any], arguments: dict[str, Any], start: int, end: int, kind: int, name: str
    ) -> None:
        names = self._trace.names
        device = _first(arguments, "device", default=_whole(event.get("pid")) or 0)
        stream = _first(arguments, "stream", default=_whole(event.get("tid")) or 0)
        number = _first(arguments, "correlation", "External id", "external id", default=-1)
        shape = "/".join(str(arguments[key]) for key in _SHAPE if key in arguments)
        self._trace.work.add(start, end, device, stream, number, kind, names.of(name), names.of(shape))

    def _kind(self, given: object) -> str:
        """A category as it is spelled here; empty where it is none of ours."""
        text = given if isinstance(given, str) else ""
        found = self._kinds.get(text)
        if found is None:
            lower = text.lower()
            found = self._kinds[text] = lower if lower in _KNOWN else ""
        return found

    def _thread(self, event: dict[str, Any]) -> int:
        place = str(event.get("pid")), str(event.get("tid"))
        return self._threads.setdefault(place, len(self._threads))


def union(table: Table, rows: npt.NDArray[np.bool_] | None = None) -> Spans:
    """When any of the rows of a table was going on."""
    starts, ends = table["start"], table["end"]
    return Spans.of(starts, ends) if rows is None else Spans.of(starts[rows], ends[rows])


def _times(event: dict[str, Any]) -> tuple[int, int] | None:
    """Start and end in ns. Chrome's traces are in us whatever displayTimeUnit says."""
    start, length = event.get("ts"), event.get("dur", 0)
    # Not bool, which isinstance would take for a number.
    if type(start) not in _NUMBERS or type(length) not in _NUMBERS or start is None or length is None:
        return None
    # Neither infinite nor NaN, nor beyond what is a time.
    if not (-_MOST_US < start < _MOST_US and 0 <= length < _MOST_US):
        return None
    first = round(start * 1000)
    return first, first + round(length * 1000)


def _first(arguments: dict[str, Any], *names: str, default: int) -> int:
    for name in names:
        if (number := _whole(arguments.get(name))) is not None:
            return number
    return default


def _whole(value: object) -> int | None:
    """A number that may be written as text (0x0, of ROCm)."""
    if type(value) is int:
        return value if abs(value) < 2**62 else None
    if isinstance(value, str):
        try:
            return _whole(int(value, 0))
        except ValueError:
            return None
    return None
