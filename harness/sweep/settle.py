"""What becomes of the points of a session that broke.

In: the session, how far its ranks came, and how it ended. Out: rows for the points that are lost, and what is to be
measured again. Must not know files, nor what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.analysis.progress import SessionProgress
from harness.core import schema
from harness.launch.run import TIMED_OUT, Ending
from harness.plan.points import Cell, Point, Session


@dataclass(frozen=True)
class LostCell:
    """rows: (point, status, reason) of those that are given up. status, reason: of the cell, for people."""

    cell: Cell
    rows: tuple[tuple[Point, str, str], ...]
    status: str
    reason: str


@dataclass(frozen=True)
class Settled:
    """lost: cells that get rows. rest: what of the session is to be started again; None if nothing."""

    lost: tuple[LostCell, ...]
    rest: Session | None


def settle(session: Session, progress: SessionProgress, ending: Ending) -> Settled:
    """The cell in flight is lost. If there was none, the session cannot start at all, and none will fare better."""
    unended = [cell for cell in session.cells if cell.id not in progress.ended]
    in_flight = [cell for cell in unended if cell.id in progress.begun] or unended
    rest = [cell for cell in unended if cell not in in_flight]
    # What ranks say of a session that was killed is a consequence of the kill.
    said = {} if ending.killed else progress.dropped
    lost: list[LostCell] = []
    for cell in in_flight:
        broken, again = _broken(cell, said, ending)
        lost.append(broken)
        if again:
            rest.insert(0, Cell(again))
    return Settled(tuple(lost), replace(session, cells=tuple(rest)) if rest else None)


def _broken(
    cell: Cell, said: Mapping[str, tuple[str, str]], ending: Ending
) -> tuple[LostCell, tuple[Point, ...]]:
    """A cell in flight, and those of its points that get another try.

    A mode that said why it broke the session is left out, and the others are measured again. Each try leaves out at
    least one, so this comes to an end.
    """
    status = schema.TIMEOUT if ending.how == TIMED_OUT else schema.FAILED
    reason = ending.reason or "the session ended before this point was measured"
    known = {point: said[point.key] for point in cell.points if point.key in said}
    again = tuple(point for point in cell.points if point not in known) if known else ()
    given_up = [point for point in cell.points if point not in again]
    rows = tuple((point, *known.get(point, (status, reason))) for point in given_up)
    return LostCell(cell, rows, *next(iter(known.values()), (status, reason))), again
