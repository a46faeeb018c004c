"""Blocks: some steps timed as one, by one thread or by several.

In: a step to call and a function that waits for the device. Out: a Block.
Must not know torch, modes, ranks or records.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat as times
from typing import Any

from harness.core.collector import no_collections
from harness.timing.clock import CLOCK, Clock


@dataclass(frozen=True)
class Block:
    """n steps timed as one. Times in nanoseconds of the system-wide monotonic clock.

    cpu_ns: CPU time of the process, main_ns: of the calling thread; waits and preemptions: voluntary
    and involuntary context switches of the process. All None when usage is not recorded. fastest_ns: where
    several threads had a block each, what the fastest of them took; main_ns is the least of theirs then.
    """

    steps: int
    start_ns: int
    end_ns: int
    cpu_ns: int | None = None
    main_ns: int | None = None
    waits: int | None = None
    preemptions: int | None = None
    fastest_ns: int | None = None

    @property
    def wall_ns(self) -> int:
        return self.end_ns - self.start_ns


def time_block(
    step: Callable[[], Any],
    steps: int,
    wait: Callable[[], None],
    *,
    usage: bool = True,
    repeat: Callable[[int], Any] | None = None,
    clock: Clock = CLOCK,
) -> Block:
    """Call step so many times, wait for the device, and read the clock before and after.

    repeat: makes so many steps by itself, with no Python between them, and is called instead. clock: answers
    nanoseconds.

    The garbage collector is off meanwhile: a collection in one mode's block would be charged to that mode.
    The result of a step is dropped at once, as in the warm-up, so that memory is reused alike.
    """
    wait()
    with no_collections():
        before = _usage() if usage else None
        calls = times(None, steps)
        start = clock()
        if repeat is not None:
            repeat(steps)
        else:
            for _ in calls:
                step()
        wait()
        end = clock()
        after = _usage() if usage else None
    if before is None or after is None:
        return Block(steps, start, end)
    return Block(steps, start, end, *(b - a for a, b in zip(before, after, strict=True)))


def time_blocks(blocks: Callable[[], Sequence[Block]], *, usage: bool = True) -> Block:
    """Several threads' blocks as one: from the first one's start to the last one's end.

    blocks: has every thread time a block of its own, with its own thread's usage, and answers them.
    """
    with no_collections():
        before = _usage() if usage else None
        timed = blocks()
        after = _usage() if usage else None
    joined = Block(
        steps=timed[0].steps,
        start_ns=min(block.start_ns for block in timed),
        end_ns=max(block.end_ns for block in timed),
        fastest_ns=min(block.wall_ns for block in timed),
    )
    if before is None or after is None:
        return joined
    cpu_ns, _, waits, preemptions = (b - a for a, b in zip(before, after, strict=True))
    # As a share of its own block: a thread that was done early has not been kept from a core since.
    least = min((block.main_ns or 0) / block.wall_ns for block in timed)
    main_ns = round(least * joined.wall_ns)
    return replace(joined, cpu_ns=cpu_ns, main_ns=main_ns, waits=waits, preemptions=preemptions)


def _usage() -> tuple[int, int, int, int]:
    process = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ns = round((process.ru_utime + process.ru_stime) * 1e9)
    return cpu_ns, time.thread_time_ns(), process.ru_nvcsw, process.ru_nivcsw
