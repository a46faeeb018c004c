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

    def place(thread: int, seen: set[int]) -> bool:
        for core in threads[thread] - seen:
            seen.add(core)
            if core not in taken or place(taken[core], seen):
                taken[core] = thread
                return True
        return False

    return sum(place(thread, set()) for thread in range(len(threads)))


def _add(at: dict[str, list[frozenset[int]]], host: str, cores: Sequence[Sequence[int]] | None) -> None:
    at.setdefault(host, []).extend(frozenset(each) for each in cores or () if each)
