"""Each call and return of some steps, with the time and the line, as the interpreter reports them to a profiler.

In: a step to call. Out: Events. Must not know whose a frame is, nor what is made of the events.
"""

from __future__ import annotations

import enum
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from harness.diagnosis.host.owners import module_of
from harness.timing.clock import CLOCK


class Kind(enum.IntEnum):
    """CALL and RETURN of Python's functions, ENTER and LEAVE of those written in C."""

    CALL = 0
    RETURN = 1
    ENTER = 2
    LEAVE = 3


# (nanoseconds, kind, what, line, off). what: of CALL its code, of ENTER module and name. line: in the frame that calls,
# or in the one that returns; 0 where it has none. off: nanoseconds since the event before in which the thread did not
# run: it waited, or others had its core.
Event = tuple[int, Kind, Any, int, int]

# Between events; in less no other program had its turn, and asking for CPU time takes about a microsecond.
GAP_NS = 20_000

# About 50 megabytes, and half a second of reading them.
MOST_EVENTS = 400_000
# What an empty function is called for, with the hook and without it, to see what an event takes.
CALIBRATION = 2_000


@dataclass(frozen=True)
class Events:
    """events: of all steps, in order. steps: that were ended; 0 where the first alone has too many events. total_ns:
    that all of it took. cpu_ns: of that, in which the thread ran."""

    events: list[Event]
    steps: int
    total_ns: int
    cpu_ns: int


def _hook(events: list[Event]) -> Callable[[FrameType, str, Any], None]:
    append, clock, cpu_clock = events.append, CLOCK, time.thread_time_ns
    call, ret, enter, leave = Kind.CALL, Kind.RETURN, Kind.ENTER, Kind.LEAVE
    last = read = clock()
    cpu_read = cpu_clock()

    def hook(frame: FrameType, event: str, what: Any) -> None:
        nonlocal last, read, cpu_read
        at, off = clock(), 0
        if at - last > GAP_NS:
            # Since CPU time was last asked for the thread ran in all gaps that were shorter.
            cpu = cpu_clock()
            off = min(max(at - read - cpu + cpu_read, 0), at - last)
            read, cpu_read = clock(), cpu
        last = at
        if event == "call":
            back = frame.f_back
            append((at, call, frame.f_code, (back.f_lineno or 0) if back else 0, off))
        elif event == "return":
            append((at, ret, None, frame.f_lineno or 0, off))
        elif event == "c_call":
            append((at, enter, (module_of(what), what.__name__), frame.f_lineno or 0, off))
        else:
            append((at, leave, None, frame.f_lineno or 0, off))
        if len(events) >= MOST_EVENTS:
            sys.setprofile(None)

    return hook


@contextmanager
def hooked(hook: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Within: this thread's profile hook is that one; afterwards what it was. One that is written in C (cProfile's
    before Python 3.12) is switched off and on again by its own methods."""
    before: Any = sys.getprofile()
    if before is not None and not callable(before):
        before.disable()
    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(None)
        if before is not None and not callable(before):
            before.enable()
        else:
            sys.setprofile(before)


def record(call: Callable[[], Any], *, seconds: float, least: int) -> Events:
    """Steps one after the other for about so long, `least` at least unless there are too many events. Raises what the
    call raises."""
    events: list[Event] = []
    steps, kept = 0, 0
    start = end = CLOCK()
    cpu_start = cpu_end = time.thread_time_ns()
    with hooked(_hook(events)):
        while len(events) < MOST_EVENTS and (steps < least or end - start < seconds * 1e9):
            call()
            now = CLOCK()
            if len(events) < MOST_EVENTS or not steps:
                end, kept, steps = now, len(events), steps + (len(events) < MOST_EVENTS)
                cpu_end = time.thread_time_ns()
    return Events(events[:kept], steps, (end if steps else events[-1][0]) - start, cpu_end - cpu_start)


@dataclass(frozen=True)
class Cost:
    """What is added to the time of a step's own work.

    event_ns: by noting an event. bytecode: by noting, to the bytecode between events, a factor of 1 or more (before
    Python 3.12 the interpreter looks at each instruction whether somebody wants to know). others: by programs that have
    the core in turn, a factor of 1 or more of the time in which the thread runs; the step has it too.
    """

    event_ns: float
    bytecode: float = 1.0
    others: float = 1.0


def least_cost() -> Cost:
    """What noting adds at least: with little code and few numbers, all in caches."""

    def nothing() -> None:
        pass

    def calls() -> int:
        start = CLOCK()
        for _ in range(CALIBRATION):
            nothing()
        return CLOCK() - start

    def loop() -> int:
        start, total = CLOCK(), 0
        for each in range(5 * CALIBRATION):
            total += each
        return CLOCK() - start

    plain = [(calls(), loop()) for _ in range(3)]
    noted = []
    for _ in range(3):
        with hooked(_hook([])):
            noted.append((calls(), loop()))
    (calls_plain, loop_plain), (calls_noted, loop_noted) = (
        (min(each[0] for each in times), min(each[1] for each in times)) for times in (plain, noted)
    )
    return Cost(max(calls_noted - calls_plain, 0) / (2 * CALIBRATION), max(loop_noted / loop_plain, 1.0))
