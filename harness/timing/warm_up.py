"""How long to warm up a mode, and how many steps make a block of it.

In: wall times of blocks. Out: how many steps the next one shall have. Must not know torch, ranks or records: plain
arithmetic, tested with known times.
"""

from __future__ import annotations

import statistics

# Warm-up has settled when the median of the last blocks differs from that of the ones before by less
# than this. 2 + 2 blocks: with one a single disturbed block would decide. A mode that has settled before, in another
# build of the same process, has compiled its kernels and grown its caches then: 1 + 1 show that it does so again.
SETTLED_CHANGE = 0.05
SETTLED_BLOCKS, AGAIN_BLOCKS = 2, 1

# A block that is shorter than this share of its target is made longer; growth by at most 10 a time, since
# the first, cold steps overstate a step's time.
LONG_ENOUGH = 0.7
GROWTH = 10


class WarmUp:
    """Finds the block size of one mode and says when its step time has settled.

    Feed it every block's wall time (of the slowest rank); it answers how many steps the next block
    shall have, or None when done. Pure bookkeeping: the same on every rank for the same numbers.
    """

    def __init__(self, block_ns: float, limit_ns: float, steps: int | None = None) -> None:
        """steps: of a block, as an earlier build of the mode has found them; None where there was none."""
        self.target_ns = block_ns
        self.limit_ns = limit_ns
        self.steps = steps or 1
        self._blocks = SETTLED_BLOCKS if steps is None else AGAIN_BLOCKS
        self.spent_ns = 0.0
        self.settled = False
        self._step_ns: list[float] = []

    @property
    def step_ns(self) -> float:
        """Median of the last blocks, of the slowest rank; 0 before there is any."""
        return statistics.median(self._step_ns[-self._blocks :]) if self._step_ns else 0.0

    def next_steps(self, wall_ns: float) -> int | None:
        """Take in a block of self.steps steps that took wall_ns; answer the next block's steps."""
        self.spent_ns += wall_ns
        step_ns = wall_ns / self.steps
        if wall_ns < LONG_ENOUGH * self.target_ns:
            wanted = int(self.target_ns / max(step_ns, 1.0)) + 1
            grown = min(wanted, self.steps * GROWTH)
            if grown > self.steps:
                self.steps = grown
                self._step_ns.clear()
                return self.steps
        self._step_ns.append(step_ns)
        self.settled = self._has_settled()
        if self.settled or (self.spent_ns >= self.limit_ns and len(self._step_ns) >= 2):
            return None
        return self.steps

    def _has_settled(self) -> bool:
        recent = self._step_ns[-2 * self._blocks :]
        if len(recent) < 2 * self._blocks:
            return False
        earlier = statistics.median(recent[: self._blocks])
        later = statistics.median(recent[self._blocks :])
        return abs(later - earlier) < SETTLED_CHANGE * earlier
