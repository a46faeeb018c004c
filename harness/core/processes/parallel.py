"""A function of many tasks on all cores where that is safe.

In: a function and its tasks. Out: the results in order. Must not know what is done.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from harness.core.processes.ends_with_parent import ending_with_parent
from harness.core.processes.interrupt import leave_to_parent

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_WORKERS = 4


def workers_for(tasks: int) -> int:
    """1 where forking is not safe: other threads may hold locks that a child would wait for forever."""
    safe = (
        hasattr(os, "sched_getaffinity")
        and "fork" in multiprocessing.get_all_start_methods()
        and threading.active_count() == 1
        and not multiprocessing.current_process().daemon
    )
    if not safe:
        return 1
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS, tasks)


def mapped(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, worth_it: bool = True
) -> list[Result]:
    """As map(), in forked processes: they start with everything imported, which a fresh one would pay for.

    worth_it: whether the tasks take longer than a second process costs.
    """
    workers = workers_for(len(tasks)) if worth_it else 1
    if workers > 1:
        try:
            return _forked(function, tasks, workers)
        except (BrokenProcessPool, OSError):
            pass  # no memory or no process to be had: one after the other, then
    return [function(task) for task in tasks]


def _forked(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> list[Result]:
    """None of the processes outlives this one, nor a signal that ends its work."""
    ending = ending_with_parent()

    def begin() -> None:
        leave_to_parent()
        if ending:
            ending()

    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), begin) as pool:
        try:
            return list(pool.map(function, tasks))
        except BaseException:
            for child in multiprocessing.active_children():
                child.kill()
            raise
