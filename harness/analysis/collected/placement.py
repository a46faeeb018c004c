"""Whether the threads that issued had a core each, by the cores that their ranks say they may use.

In: what ranks said of their threads' cores. Out: yes or no. Must not know blocks, samples or the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Placement:
    """host -> the cores of each thread that issues there, at the start of a session and at its end."""

    opening: dict[str, list[frozenset[int]]] = field(default_factory=dict)
    closing: dict[str, list[frozenset[int]]] = field(default_factory=dict)

    def opened(self, host: str, cores: Sequence[Sequence[int]] | None) -> None:
        """What a rank on that host said first; earlier versions say nothing of cores."""
        _add(self.opening, host, cores)

    def closed(self, host: str, cores: Sequence[Sequence[int]] | None) -> None:
        """What it said last."""
        _add(self.closing, host, cores)

    @property
    def overlaps(self) -> bool:
        """Whether somewhere threads had to share a core, at the start or at the end."""
        return any(
            with_own_core(threads) < len(threads)
            for moment in (self.opening, self.closing)
            for threads in moment.values()
        )


def with_own_core(threads: Sequence[frozenset[int]]) -> int:
    """How many threads can have a core of their own at the same time, each among the cores that it may use.

    The largest matching of threads and cores, by augmenting paths (Kuhn, 1955). Not the number of different cores:
    of two threads on core 0 and one on cores 1 and 2, two share.
    """
    taken: dict[int, int] = {}
    return sum(_place(thread, threads, taken) for thread in range(len(threads)))


def _place(thread: int, threads: Sequence[frozenset[int]], taken: dict[int, int]) -> bool:
    """Give a thread a core, others moving on where that makes room; answers whether one is left.

    taken: core -> thread.

    Breadth first, without recursion: others may have to move in a row as long as there are cores.
    """
    wanted_by: dict[int, int] = {}  # core -> the thread by which it was come to
    waiting = [thread]
    for moving in waiting:
        for core in threads[moving]:
            if core in wanted_by:
                continue
            wanted_by[core] = moving
            if core not in taken:
                _move(core, wanted_by, taken)
                return True
            waiting.append(taken[core])
    return False


def _move(free: int, wanted_by: dict[int, int], taken: dict[int, int]) -> None:
    """Each thread on the way to a free core takes the one that it wanted and leaves its own to who wanted that."""
    core_of = {thread: core for core, thread in taken.items()}
    core: int | None = free
    while core is not None:
        thread = wanted_by[core]
        taken[core] = thread
        core = core_of.get(thread)


def _add(at: dict[str, list[frozenset[int]]], host: str, cores: Sequence[Sequence[int]] | None) -> None:
    at.setdefault(host, []).extend(frozenset(each) for each in cores or () if each)
