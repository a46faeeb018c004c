"""What becomes of the points of a session that broke: rows for what is lost, another try for the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import POINT

from harness.analysis.progress import SessionProgress
from harness.core.schema import FAILED, OOM, TIMEOUT
from harness.launch.run import DIED, TIMED_OUT, Ending
from harness.plan.points import Cell, Session
from harness.sweep.settle import settle

FIRST, SECOND, THIRD = (
    Cell(tuple(replace(POINT, depth=depth, mode=mode) for mode in ("eager", "script"))) for depth in (2, 3, 4)
)
SESSION = Session(1, "processes", (FIRST, SECOND, THIRD))
DEAD = Ending(DIED, "rank 0: died")


def progress(begun: set[str], ended: set[str], **dropped: tuple[str, str]) -> SessionProgress:
    return SessionProgress(begun, dict.fromkeys(ended, 1.0), dropped)


def test_the_cell_in_flight_is_lost_and_those_after_it_are_tried_again() -> None:
    settled = settle(SESSION, progress({FIRST.id, SECOND.id}, {FIRST.id}), DEAD)
    assert [lost.cell for lost in settled.lost] == [SECOND]
    assert [row[1:] for row in settled.lost[0].rows] == [(FAILED, "rank 0: died")] * 2
    assert settled.rest == replace(SESSION, cells=(THIRD,))


def test_a_session_that_cannot_start_at_all_is_given_up() -> None:
    settled = settle(SESSION, progress(set(), set()), DEAD)
    assert [lost.cell for lost in settled.lost] == [FIRST, SECOND, THIRD]
    assert settled.rest is None


@pytest.mark.parametrize(("how", "status"), [(DIED, FAILED), (TIMED_OUT, TIMEOUT)])
def test_a_limit_of_time_is_told_from_a_death(how: str, status: str) -> None:
    settled = settle(SESSION, progress({FIRST.id}, set()), Ending(how))
    assert settled.lost[0].status == status
    assert settled.lost[0].reason == "the session ended before this point was measured"


def test_a_mode_that_said_why_is_left_out_and_the_others_get_another_try() -> None:
    script = FIRST.points[1]
    settled = settle(SESSION, progress({FIRST.id}, set(), **{script.key: (OOM, "too large")}), DEAD)
    assert settled.lost[0].rows == ((script, OOM, "too large"),)
    assert settled.rest == replace(SESSION, cells=(Cell((FIRST.points[0],)), SECOND, THIRD))


def test_what_ranks_say_of_a_session_that_was_killed_is_a_consequence_of_the_kill() -> None:
    said = {FIRST.points[1].key: (FAILED, "connection reset")}
    settled = settle(SESSION, progress({FIRST.id}, set(), **said), replace(DEAD, killed=True))
    assert [row[1:] for row in settled.lost[0].rows] == [(FAILED, "rank 0: died")] * 2


def test_every_try_leaves_something_out_so_that_tries_come_to_an_end() -> None:
    rest: Session | None = SESSION
    for _ in range(sum(len(cell.points) for cell in SESSION.cells)):
        assert rest is not None
        first = rest.cells[0]
        said = {first.points[-1].key: (FAILED, "broken")}
        rest = settle(rest, progress({first.id}, set(), **said), DEAD).rest
    assert rest is None
