"""Whether the threads that issued had a core each, by the cores that their ranks say they may use.

In: what ranks said of their threads' cores. Out: yes or no. Must not know blocks, samples or the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# A core number beyond this is none.
_MOST_CORES = 1 << 16


@dataclass
class Placement:
    """host -> the cores of each thread that issues there, at the start of a session and at its end."""

    opening: dict[str, list[frozenset[int]]] = field(default_factory=dict)
    closing: dict[str, list[frozenset[int]]] = field(default_factory=dict)

    def take(self, host: str, record: dict[str, Any]) -> None:
        """A record `session` or `closing` of a rank on that host; versions before say nothing of cores."""
        said = record.get("issuing_cores")
        if isinstance(said, list):
            at = self.closing if record["type"] == "closing" else self.opening
            at.setdefault(host, []).extend(_cores(each) for each in said if _cores(each))

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


def _cores(said: Any) -> frozenset[int]:
    """Empty where it is no list of cores."""
    if not isinstance(said, list):
        return frozenset()
    return frozenset(core for core in said if type(core) is int and 0 <= core < _MOST_CORES)
