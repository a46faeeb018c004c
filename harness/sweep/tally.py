"""In how many sessions each point was measured, and which are measured no more.

In: a run directory, and what each session came to. Out: what is left to be measured. Must not know how sessions are
started, nor what was found in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.analysis.run import Run
from harness.core import schema
from harness.core.schema import FINAL_STATUSES
from harness.plan.points import Session, group, is_compared_with

# Shares are sums of fractions.
NEARLY = 1e-9


@dataclass
class Tally:
    """measured: point key -> how many whole sessions what was measured of it makes: one that was broken off counts by
    its share, so that what many starts of a job have measured adds up. given_up: keys of points that get no further
    try."""

    measured: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)

    @staticmethod
    def of(run: Run) -> Tally:
        """From a run that is gone on with: what failed there may be tried again."""
        points = run.points
        ok = points.loc[points["status"] == schema.OK, "key"]
        final = points["status"].isin([status for status in FINAL_STATUSES if status != schema.OK])
        return Tally({key: run.worth.get(key, 0.0) for key in ok}, set(points.loc[final, "key"]))

    def enough(self, sessions: int) -> set[str]:
        """Keys of points that need no more, to be measured in so many sessions."""
        return self.given_up | {key for key, worth in self.measured.items() if worth >= sessions - NEARLY}

    def note(self, session: Session, ended: Mapping[str, float], dropped: Iterable[str]) -> None:
        """What a session came to. ended: id of a cell -> share of what was to be measured of it; dropped: keys of
        points."""
        self.given_up |= set(dropped)
        for cell in session.cells:
            for point in cell.points:
                if cell.id in ended and point.key not in self.given_up:
                    self.measured[point.key] = self.measured.get(point.key, 0.0) + ended[cell.id]

    def left(self, session: Session, sessions: int) -> Session | None:
        """The cells that lack a session of so many; None where there are none.

        A cell that lacks it for some of its points is measured together with those that they are compared with: without
        eager beside it in the same rounds, a mode would have no paired speed-up.
        """
        enough = self.enough(sessions)
        wanted = [
            point
            for cell in session.cells
            if (lacking := [point for point in cell.points if point.key not in enough])
            for point in cell.points
            if point in lacking or (point.key not in self.given_up and is_compared_with(point, lacking))
        ]
        return replace(session, cells=group(wanted)[0].cells) if wanted else None
