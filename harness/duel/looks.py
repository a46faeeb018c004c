"""How many repeats there are, and after which of them it is asked whether all is decided.

In: seconds. Out: numbers of repeats, and by how much looking more than once widens an interval. Must not know ratios:
what is fixed by them would stop where chance happens to please.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# With fewer there is hardly an interval: there are, only where there is no time for as many. With more a duel is not
# undecided for want of repeats.
FEWEST, MOST = 4, 30
# Of the repeats that there is time for.
_SHARES = (0.5, 0.75, 1.0)
# By how much wider an interval must be that is to hold at each of so many looks with 95 %, over one that is looked at
# once: Pocock's constants (Biometrika 64, 1977, table 1) over 1.960. "Repeated confidence intervals" of Jennison and
# Turnbull (Journal of the Royal Statistical Society B 51, 1989).
_WIDER = {1: 1.0, 2: 2.178 / 1.960, 3: 2.289 / 1.960}
# Repeats do not all take as long as the first: without this reserve the last would be begun and be too late.
RESERVE = 1.05


@dataclass(frozen=True)
class Looks:
    """at: after so many repeats, the last of them the most."""

    at: tuple[int, ...]

    @property
    def wider(self) -> float:
        """Factor of an interval's width."""
        return _WIDER[len(self.at)]


def looks(most: int) -> Looks:
    """most: repeats that there is time for, one at least."""
    most = min(MOST, max(1, most))
    least = min(FEWEST, most)
    return Looks(tuple(dict.fromkeys(max(least, math.ceil(share * most)) for share in _SHARES)))


def fitting(first_s: float, each_s: float, limit_s: float) -> int:
    """Repeats that there is time for, with the first one: by how long that took, and how long each of the others is to
    take. Nothing of what it found."""
    if each_s <= 0:
        return MOST
    return 1 + max(0, math.floor((limit_s - first_s) / (each_s * RESERVE)))
