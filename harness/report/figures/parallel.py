"""Drawing on all cores where that is safe.

In: a function and its tasks. Out: the results in order. Must not know figures.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# Below this many tasks a second process costs more than it saves.
FEWEST_TASKS = 5
MOST_WORKERS = 4


def workers_for(tasks: int) -> int:
    """1 where forking is not safe: other threads may hold locks that a child would wait for forever."""
    safe = (
        hasattr(os, "sched_getaffinity")
        and "fork" in multiprocessing.get_all_start_methods()
        and threading.active_count() == 1
        and not multiprocessing.current_process().daemon
    )
    if not safe or tasks < FEWEST_TASKS:
        return 1
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS, tasks)


def mapped(function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """As map(), in forked processes: they start with everything imported, which a fresh one would pay for."""
    workers = workers_for(len(tasks))
    if workers > 1:
        try:
            with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
                return list(pool.map(function, tasks))
        except (BrokenProcessPool, OSError):
            pass  # no memory or no process to be had: one after the other, then
    return [function(task) for task in tasks]
