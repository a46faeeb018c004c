"""A fixed piece of work, timed all through every session: by it sweeps of a machine tell how fast it was just then.

In: the ranks. Out: times. Must not know cells or modes: it must be the same work in every sweep there is.
"""

from __future__ import annotations

import statistics

import torch

from harness.timing.blocks import time_block
from harness.worker.ranks import Ranks

# What most of a sweep does: one thread that issues many small operations. On the host, whatever the devices are, whose
# own speed does not follow the host's.
LAYERS, WIDTH = 32, 48
STEPS = 8
# Blocks, of a millisecond each, that are timed at a session's start and later on; as many before them warm up.
AT_START, BETWEEN = 40, 3


class Reference:
    """Timed by rank 0 alone, while the others wait: it is then the same whatever the number of ranks."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._took: list[float] = []
        # Random states stay as they were: what is drawn after it must not depend on it.
        with torch.random.fork_rng(devices=[]):
            self._model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
        self._given = torch.ones(1, WIDTH)

    def time(self, blocks: int = BETWEEN) -> None:
        """Once more. Collective."""
        self._ranks.barrier()
        if self._ranks.rank:
            return
        with torch.inference_mode():
            took = [time_block(self._step, STEPS, _nothing).wall_ns / STEPS for _ in range(2 * blocks)]
        self._took.append(statistics.median(took[blocks:]))

    @property
    def ns(self) -> float | None:
        """A step of it, the median over the session so far; None on other ranks than 0."""
        return statistics.median(self._took) if self._took else None

    def _step(self) -> None:
        self._model(self._given)


def _nothing() -> None:
    """There is nothing to wait for on the host."""
