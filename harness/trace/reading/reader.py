"""A trace file into columns.

In: a path. Out: a Trace. Must not know what any of it was waiting for.

Kineto's dialects (torch 1.8 to 2.14, CUDA and ROCm) differ in how they spell categories and where they put a call's
number: all that is told apart here and nowhere else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from harness.trace.reading.event import EVENTS, NO_ARGUMENTS, Arguments, Event, Place
from harness.trace.reading.json_stream import NoTrace, Progress, TraceFile
from harness.trace.reading.trace import COPY, KERNEL, MEMSET, Table, Trace
from harness.trace.spans import Times

WORK = {"kernel": KERNEL, "gpu_memcpy": COPY, "memcpy": COPY, "gpu_memset": MEMSET, "memset": MEMSET}
_WORK, _CALL, _OPERATOR, _ANNOTATION, _PYTHON, _SYNC = range(6)
# Categories as all dialects spell them, in small letters.
KINDS = {
    **dict.fromkeys(WORK, _WORK),
    **dict.fromkeys(("cuda_runtime", "cuda_driver", "runtime", "hip_runtime", "privateuse1_runtime"), _CALL),
    **dict.fromkeys(("cpu_op", "operator"), _OPERATOR),
    "user_annotation": _ANNOTATION,
    "python_function": _PYTHON,
    "cuda_sync": _SYNC,
}
_STEP = re.compile(r"ProfilerStep\s*#?\s*(\d+)")
_LOADER = re.compile(r"DataLoader|dataloader")
# 146 years: what is beyond is no time.
_MOST_US = 2**62 / 1000


def read_trace(path: Path, progress: Progress = lambda _: None) -> Trace:
    """progress: called with the number of further bytes of the file that were read.

    Raises NoTrace where it is none, OSError where it cannot be read.
    """
    file, trace = TraceFile(path, EVENTS, progress), Trace(path)
    reader = _Reader(trace)
    for events in file.events():
        reader.take(events)
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


class _Kinds(dict[str, int | None]):
    """A category as a file spells it -> its kind; None where it is none of ours."""

    def __missing__(self, text: str) -> int | None:
        self[text] = found = KINDS.get(text.lower())
        return found


class _Reader:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._threads: dict[tuple[str, str], int] = {}
        self._places: dict[tuple[Place, Place], int] = {}
        self._kinds = _Kinds()

    def take(self, events: list[Event]) -> None:
        """Whatever is no event that is known is left out. By kinds, since most of the time of reading is spent here."""
        kinds, of_kind = self._kinds, defaultdict[int | None, list[Event]](list)
        for event in events:
            if event.ph == "X":
                of_kind[kinds[event.cat]].append(event)
        of_kind.pop(None, None)
        for kind, found in of_kind.items():
            known, starts, ends = with_times(found)
            if kind == _OPERATOR:
                self._take_host(self._trace.operators, known, starts, ends)
            elif kind == _PYTHON:
                self._take_host(self._trace.python, known, starts, ends)
            elif kind == _CALL:
                numbers = [_number(event.args or NO_ARGUMENTS) for event in known]
                self._take_host(self._trace.calls, known, starts, ends, numbers)
            else:
                one_by_one = (
                    self._take_work
                    if kind == _WORK
                    else self._take_sync
                    if kind == _SYNC
                    else self._take_mark
                )
                for event, start, end in zip(known, starts.tolist(), ends.tolist(), strict=True):
                    one_by_one(event, start, end)

    def _take_host(
        self, table: Table, events: list[Event], starts: Times, ends: Times, *more: list[int]
    ) -> None:
        names = self._trace.names.all(event.name for event in events)
        table.add_rows(starts, ends, [self._thread(event) for event in events], *more, names)

    def _take_work(self, event: Event, start: int, end: int) -> None:
        names, arguments = self._trace.names, event.args or NO_ARGUMENTS
        device = _whole_or(0, arguments.device, event.pid)
        stream = _whole_or(0, arguments.stream, event.tid)
        shape = names.of(_joined(arguments.grid, arguments.block, arguments.bytes))
        meeting = names.of(_joined(arguments.collective, arguments.elements, arguments.group))
        number, kind = _number(arguments), WORK[event.cat.lower()]
        self._trace.work.add(start, end, device, stream, number, kind, names.of(event.name), shape, meeting)

    def _take_sync(self, event: Event, start: int, _: int) -> None:
        if event.args and "wait event" in event.name.lower():
            stream, number = event.args.stream, event.args.correlation
            self._trace.waits.add(start, _whole_or(-1, stream), _whole_or(-1, number))

    def _take_mark(self, event: Event, start: int, end: int) -> None:
        trace = self._trace
        if found := _STEP.match(event.name):
            trace.steps[int(found[1])] = (start, end)
        elif _LOADER.search(event.name):
            trace.loader.add(start, end, self._thread(event))
        else:
            trace.operators.add(start, end, self._thread(event), trace.names.of(event.name))

    def _thread(self, event: Event) -> int:
        place = event.pid, event.tid
        found = self._places.get(place)
        if found is None:
            # As ranks' traces mix them: 7 and "7" are one.
            written = str(event.pid), str(event.tid)
            found = self._places[place] = self._threads.setdefault(written, len(self._threads))
        return found


def _joined(*values: object) -> str:
    return "/".join(str(value) for value in values if value is not None)


def _number(arguments: Arguments) -> int:
    """By which work and the call that launched it know each other; -1 where there is none."""
    return _whole_or(-1, arguments.correlation, arguments.external, arguments.external_before)


class _Timed(Protocol):
    ts: float | None
    dur: float | None


_Some = TypeVar("_Some", bound=_Timed)


def with_times(events: list[_Some]) -> tuple[list[_Some], Times, Times]:
    """Those that have a time, and their starts and ends in ns. Traces are in us whatever displayTimeUnit says."""
    starts = np.array([event.ts for event in events], np.float64)
    lengths = np.array([event.dur for event in events], np.float64)
    # Neither missing, infinite nor NaN, nor beyond what is a time.
    known = (np.abs(starts) < _MOST_US) & (lengths >= 0) & (lengths < _MOST_US)
    if not known.all():
        events = [event for event, has in zip(events, known.tolist(), strict=True) if has]
        starts, lengths = starts[known], lengths[known]
    begin = _ns(starts)
    return events, begin, begin + _ns(lengths)


def _ns(us: npt.NDArray[np.float64]) -> Times:
    """Whole us apart from the rest of each: a double holds us since 1970, but not ns."""
    whole = np.rint(us)
    return whole.astype(np.int64) * 1000 + np.rint((us - whole) * 1000).astype(np.int64)


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
