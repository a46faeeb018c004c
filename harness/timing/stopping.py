"""When a cell has been measured for long enough: the rules, and which of them holds first.

In: the rounds so far. Out: a reason to stop, or none. Must not know torch, ranks or records: plain arithmetic, tested
with known times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.core.schema import CAPPED, NOISY, SETTLED
from harness.core.stats import FEWEST_FOR_INTERVAL
from harness.timing.step_times import Rounds

# The noise of single rounds has stopped moving when it changed by less than this over the last rounds.
STILL_NOISE = 0.1
STILL_ROUNDS = 10
HOPELESS_TIMES = 2

# Rounds between two looks at the intervals. Stopping as soon as an interval happens to be narrow makes
# intervals too narrow; the more looks, the more so.
LOOK_EVERY = 10


class Rule(Protocol):
    """One reason to stop a cell."""

    reason: str

    def holds(self, rounds: Rounds) -> bool:
        """Whether it is one now."""


class Narrow:
    """Done when every mode's 95 % interval is narrower than the target, relative to its median."""

    reason = SETTLED

    def __init__(self, rel_width: float) -> None:
        self.rel_width = rel_width

    def holds(self, rounds: Rounds) -> bool:
        return all(rounds.interval(m).relative_half_width <= self.rel_width for m in rounds.step_ns)


class Hopeless:
    """Done when the noise has stopped moving and is so large that the cap would not bring the target near.

    The interval of a median narrows with the root of the number of rounds, so its width at the cap can be
    foretold once the spread of single rounds stands still (the idea of nvbench's stdrel criterion, which
    stops when its noise estimate has converged). Only where it would be HOPELESS_TIMES too wide even then:
    short of that, more rounds are still worth their time.
    """

    reason = NOISY

    def __init__(self, rel_width: float, max_rounds: int) -> None:
        self.rel_width = rel_width
        self.max_rounds = max_rounds

    def holds(self, rounds: Rounds) -> bool:
        return any(self._hopeless(rounds, mode) for mode in rounds.step_ns)

    def _hopeless(self, rounds: Rounds, mode: str) -> bool:
        recent = rounds.spreads[mode][-STILL_ROUNDS:]
        if len(recent) < STILL_ROUNDS or max(recent) - min(recent) > STILL_NOISE * max(recent):
            return False
        at_cap = rounds.interval(mode).relative_half_width * (rounds.count / self.max_rounds) ** 0.5
        return bool(at_cap > HOPELESS_TIMES * self.rel_width)


class Capped:
    """Done when the rounds or the time are used up."""

    reason = CAPPED

    def __init__(self, max_rounds: int, max_s: float) -> None:
        self.max_rounds = max_rounds
        self.max_s = max_s

    def holds(self, rounds: Rounds) -> bool:
        return rounds.count >= self.max_rounds or rounds.wall_s >= self.max_s


def stop_reason(rounds: Rounds, rules: Sequence[Rule], min_rounds: int) -> str | None:
    """Why to stop now, by the first rule that holds; None to go on.

    The intervals are looked at every LOOK_EVERY rounds only. Before min_rounds only the cap on time can
    stop a cell, and not before there is any interval.
    """
    if rounds.count < min_rounds or (rounds.count - min_rounds) % LOOK_EVERY:
        rules = [rule for rule in rules if rule.reason == CAPPED]
    if rounds.count < FEWEST_FOR_INTERVAL:
        return None
    return next((rule.reason for rule in rules if rule.holds(rounds)), None)
