"""What ranks say to the launcher, as values that can be used: a message may be anybody's, or a rank's in a bad moment.

In: a message as it came. Out: a value with every field of its type and in its range, or None. Must not know who sent
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.numbers import is_number
from harness.core.text import shown

# No plan has so many: what is larger is no count of points, ranks or characters of ours.
MOST = 10**6
LONGEST = 1000


def rank_of(message: dict[str, Any]) -> int | None:
    """Which rank says that it is there."""
    rank = message.get("rank")
    return rank if message.get("event") == "hello" and type(rank) is int and 0 <= rank < MOST else None


@dataclass(frozen=True)
class Visit:
    """A cell was visited. share: of its rounds that are done, from 0 to 1; step_us: mode -> median step time so far."""

    cell: str
    label: str
    points: int
    share: float
    step_us: dict[str, float]

    @staticmethod
    def of(message: dict[str, Any]) -> Visit | None:
        """None if the message is something else, or not as a rank writes it."""
        if message.get("event") != "visit":
            return None
        cell, label = _text(message.get("cell")), _text(message.get("label"))
        points, share, medians = message.get("points"), message.get("share"), message.get("step_us")
        if cell is None or label is None or not isinstance(medians, dict):
            return None
        if type(points) is not int or not 0 < points < MOST or not isinstance(share, (int, float)):
            return None
        if not 0 <= share <= 1:
            return None
        told = {_text(mode): us for mode, us in medians.items() if is_number(us)}
        return Visit(
            cell, label, points, float(share), {mode: us for mode, us in told.items() if mode is not None}
        )


def _text(value: Any) -> str | None:
    return shown(value) if isinstance(value, str) and len(value) <= LONGEST else None
