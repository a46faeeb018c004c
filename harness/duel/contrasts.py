"""What is asked of the times of many rounds: products of ratios, each of two arms in the same round.

In: a time of each arm and round. Out: a ratio. Must not know what the arms are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.duel.driven import A_AGAIN, A, B

RATIO, NULL, INTERACTION = "ratio", "null", "interaction"

# An arm's time over another's, and to which power that is taken.
Pair = tuple[str, str, float]


@dataclass(frozen=True)
class Contrast:
    """pairs: what slows all arms of a round alike leaves no trace in any of them."""

    name: str
    pairs: tuple[Pair, ...]

    def of_rounds(self, rounds: Sequence[Mapping[str, float]]) -> float:
        """The product of the pairs' medians over the rounds that both are in: a repeat's own value. Where there was
        no room for a second process of A beside an arm, the first one stands for it, which is in all rounds.

        Of pairs, and not of the mean of both processes of A over B: a block is disturbed upwards alone, and two of them
        more often than one, so that the median of such a ratio is above 1 where nothing differs.
        """
        return math.exp(sum(power * math.log(_ratio(one, other, rounds)) for one, other, power in self.pairs))


def _ratio(one: str, other: str, rounds: Sequence[Mapping[str, float]]) -> float:
    """Median over the rounds that both are in."""
    both = [times for times in rounds if one in times and other in times]
    if not both and one == A_AGAIN:
        return _ratio(A, other, rounds)
    return median(times[one] / times[other] for times in both)


def over(arm: str, power: float = 1.0) -> Iterator[Pair]:
    """A's time over an arm's: above 1 where the arm is faster. By both processes of A, since the second one is there
    anyway: what one of them has by chance counts half."""
    yield A, arm, power / 2
    yield A_AGAIN, arm, power / 2


# Their errors are independent: what both processes of A have in common is in the first alone, and what they differ by
# in the second alone.
OF_A_DUEL = (Contrast(RATIO, tuple(over(B))), Contrast(NULL, ((A, A_AGAIN, 1.0),)))


def of_swaps(arms: Mapping[str, str]) -> tuple[Contrast, ...]:
    """Component -> the arm that is A with B's. Beside what each brings, what all together bring beyond that: it is 1
    where the effects multiply."""
    effects = [Contrast(component, tuple(over(arm))) for component, arm in arms.items()]
    if len(effects) < 2:
        return tuple(effects)
    beyond = [*over(B), *(pair for arm in arms.values() for pair in over(arm, -1.0))]
    return (*effects, Contrast(INTERACTION, tuple(beyond)))
