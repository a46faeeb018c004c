"""A trace file into columns.

In: a path. Out: a Trace. Must not know what any of it was waiting for.

Kineto's dialects (torch 1.8 to 2.14, CUDA and ROCm) differ in how they spell categories and where they put a call's
number: all that is told apart here and nowhere else.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.trace.reading.event import NO_ARGUMENTS, Arguments, Event
from harness.trace.reading.json_stream import NoTrace, Progress, TraceFile
from harness.trace.reading.trace import COPY, KERNEL, MEMSET, Trace

WORK = {"kernel": KERNEL, "gpu_memcpy": COPY, "memcpy": COPY, "gpu_memset": MEMSET, "memset": MEMSET}
CALLS = {"cuda_runtime", "cuda_driver", "runtime", "hip_runtime", "privateuse1_runtime"}
OPERATORS = {"cpu_op", "operator"}
ANNOTATIONS = {"user_annotation"}
PYTHON = {"python_function"}
SYNC = {"cuda_sync"}
_KNOWN = {*WORK, *CALLS, *OPERATORS, *ANNOTATIONS, *PYTHON, *SYNC}
_STEP = re.compile(r"ProfilerStep\s*#?\s*(\d+)")
_LOADER = re.compile(r"DataLoader|dataloader")
# 146 years: what is beyond is no time.
_MOST_US = 2**62 / 1000
_NUMBERS = (int, float)


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

    def take(self, event: Event) -> None:
        """Whatever is no event that is known is left out."""
        if event.ph != "X":
            return
        kind, times = self._kind(event.cat), _times(event)
        if not kind or times is None:
            return
        start, end = times
        trace, name = self._trace, str(event.name)
        if kind in OPERATORS:
            trace.operators.add(start, end, self._thread(event), trace.names.of(name))
        elif kind in CALLS:
            number = _number(event.args or NO_ARGUMENTS)
            trace.calls.add(start, end, self._thread(event), number, trace.names.of(name))
        elif kind in WORK:
            self._take_work(event, start, end, WORK[kind], name)
        elif kind in PYTHON:
            trace.python.add(start, end, self._thread(event), trace.names.of(name))
        elif kind in SYNC:
            if event.args and "wait event" in name.lower():
                trace.waits.add(
                    start, _whole_or(-1, event.args.stream), _whole_or(-1, event.args.correlation)
                )
        elif found := _STEP.match(name):
            trace.steps[int(found[1])] = (start, end)
        elif _LOADER.search(name):
            trace.loader.add(start, end, self._thread(event))
        else:
            trace.operators.add(start, end, self._thread(event), trace.names.of(name))

    def _take_work(self, event: Event, start: int, end: int, kind: int, name: str) -> None:
        names, arguments = self._trace.names, event.args or NO_ARGUMENTS
        device = _whole_or(0, arguments.device, event.pid)
        stream = _whole_or(0, arguments.stream, event.tid)
        shape = names.of(_joined(arguments.grid, arguments.block, arguments.bytes))
        meeting = names.of(_joined(arguments.collective, arguments.elements, arguments.group))
        number = _number(arguments)
        self._trace.work.add(start, end, device, stream, number, kind, names.of(name), shape, meeting)

    def _kind(self, given: object) -> str:
        """A category as it is spelled here; empty where it is none of ours."""
        text = given if isinstance(given, str) else ""
        found = self._kinds.get(text)
        if found is None:
            lower = text.lower()
            found = self._kinds[text] = lower if lower in _KNOWN else ""
        return found

    def _thread(self, event: Event) -> int:
        place = str(event.pid), str(event.tid)
        return self._threads.setdefault(place, len(self._threads))


def _joined(*values: object) -> str:
    return "/".join(str(value) for value in values if value is not None)


def _number(arguments: Arguments) -> int:
    """By which work and the call that launched it know each other; -1 where there is none."""
    return _whole_or(-1, arguments.correlation, arguments.external, arguments.external_before)


def _times(event: Event) -> tuple[int, int] | None:
    """Start and end in ns. Chrome's traces are in us whatever displayTimeUnit says."""
    start, length = event.ts, event.dur
    # Not bool, which isinstance would take for a number.
    if type(start) not in _NUMBERS or type(length) not in _NUMBERS:
        return None
    # Neither infinite nor NaN, nor beyond what is a time.
    if not (-_MOST_US < start < _MOST_US and 0 <= length < _MOST_US):
        return None
    first = round(start * 1000)
    return first, first + round(length * 1000)


def _whole_or(default: int, *values: object) -> int:
    for value in values:
        if (number := _whole(value)) is not None:
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
