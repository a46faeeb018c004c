"""In how many sessions each point was measured, and which are measured no more.

In: a run directory, and what each session came to. Out: what is left to be measured. Must not know how sessions are
started, nor what was found in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

from harness.core import schema
from harness.core.schema import FINAL_STATUSES
from harness.plan.points import Session, group


@dataclass
class Tally:
    """measured: point key -> sessions that have measured it. given_up: keys of points that get no further try."""

    measured: Counter[str] = field(default_factory=Counter)
    given_up: set[str] = field(default_factory=set)

    @staticmethod
    def of(points: pd.DataFrame) -> Tally:
        """From the points of a run that is gone on with: what failed there may be tried again."""
        ok = points[points["status"] == schema.OK]
        final = points["status"].isin([status for status in FINAL_STATUSES if status != schema.OK])
        counts = zip(ok["key"], ok["sessions"], strict=True)
        return Tally(Counter({key: int(count) for key, count in counts}), set(points.loc[final, "key"]))

    def enough(self, sessions: int) -> set[str]:
        """Keys of points that need no more, to be measured in so many sessions."""
        return self.given_up | {key for key, count in self.measured.items() if count >= sessions}

    def note(self, session: Session, ended: Iterable[str], dropped: Iterable[str]) -> None:
        """What a session came to. ended: ids of cells; dropped: keys of points."""
        self.given_up |= set(dropped)
        ended = set(ended)
        for cell in session.cells:
            if cell.id in ended:
                self.measured.update(p.key for p in cell.points if p.key not in self.given_up)

    def left(self, session: Session, sessions: int) -> Session | None:
        """The cells that lack a session of so many; None where there are none.

        A cell that lacks it for some of its modes is measured together with its reference mode: without eager beside
        it in the same rounds, a mode would have no paired speed-up.
        """
        enough = self.enough(sessions)
        wanted = [
            point
            for cell in session.cells
            if not all(point.key in enough for point in cell.points)
            for point in cell.points
            if point.key not in enough
            or (point.mode == schema.REFERENCE_MODE and point.key not in self.given_up)
        ]
        return replace(session, cells=group(wanted)[0].cells) if wanted else None
