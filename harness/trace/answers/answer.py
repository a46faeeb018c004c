"""All that is said of a rank, computed once: its figures, and what would change them.

In: Ranks. Out: Answers. Must not know files, nor how any of it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.trace.answers.rows import rows
from harness.trace.bounds import Bound, bounds
from harness.trace.idle import Device
from harness.trace.looked import Rank


@dataclass(frozen=True)
class Answer:
    """rows: of trace.csv."""

    rank: Rank
    rows: list[dict[str, Any]]
    bounds: list[Bound]

    def whole(self, device: Device) -> dict[str, Any]:
        """The row of a device as a whole."""
        return next(row for row in self.rows if row["device"] == device.number and row["step"] is None)

    @property
    def devices(self) -> list[Device]:
        return self.rank.whole


def answers(ranks: Sequence[Rank]) -> list[Answer]:
    """To be asked once harness.trace.together has looked at them."""
    return [Answer(rank, list(rows(rank)), bounds(rank)) for rank in ranks]
