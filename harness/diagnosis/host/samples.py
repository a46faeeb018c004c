"""Which lines of the user's code run, seen from beside: for loops in which nothing is called that a profiler hears of.

In: a step to call. Out: how often each line was seen. Must not know what else is found of the step.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import CodeType
from typing import Any

from harness.diagnosis.host.owners import Owner, owner_of
from harness.timing.clock import CLOCK

# Between samples, at random, so that no step keeps in time with them.
BETWEEN_S = (0.0003, 0.0012)
# A thread that computes gives the lock away after this; the sampler sees it at the end of a C function or at a jump.
SWITCH_S = 1e-5

Lines = Counter[tuple[CodeType, int]]


def sample(call: Callable[[], Any], *, seconds: float) -> Lines:
    """Call steps for about so long, one at least, and count the lines of the innermost frames of the user's. Raises
    what the call raises."""
    lines: Lines = Counter()
    thread, done, source = threading.get_ident(), threading.Event(), random.Random(0)

    def watch() -> None:
        while not done.wait(source.uniform(*BETWEEN_S)):
            frame = sys._current_frames().get(thread)
            while frame is not None and owner_of(frame.f_code.co_filename) in (Owner.SHARED, Owner.LIBRARY):
                frame = frame.f_back
            if frame is not None and owner_of(frame.f_code.co_filename) is Owner.USER:
                lines[frame.f_code, frame.f_lineno or 0] += 1

    interval = sys.getswitchinterval()
    watcher = threading.Thread(target=watch, name="lines", daemon=True)
    sys.setswitchinterval(SWITCH_S)
    try:
        watcher.start()
        start = CLOCK()
        call()
        while CLOCK() - start < seconds * 1e9:
            call()
    finally:
        done.set()
        sys.setswitchinterval(interval)
        watcher.join()
    return lines
