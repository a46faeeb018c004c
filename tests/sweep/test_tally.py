"""How often each point was measured, what is left, and in which order sessions are repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_runs import RawRun, cell_of, key_of

from harness.analysis.run import load_run
from harness.plan.config import TimingConfig
from harness.plan.inventory import Inventory
from harness.plan.points import Cell, Plan, Session, group
from harness.sweep.repeats import further
from harness.sweep.resume import tally_of
from harness.sweep.tally import Tally

CELLS = [cell_of(["eager", "script"], batch=batch) for batch in (1, 2)]
(SESSION,) = group([point for cell in CELLS for point in cell.points])


def keys(session: Session | None) -> list[str]:
    return [] if session is None else [point.key for cell in session.cells for point in cell.points]


def both(cell: Cell) -> list[str]:
    return [key_of(cell, mode) for mode in ("eager", "script")]


class TestLeft:
    def test_all_is_left_at_first(self) -> None:
        assert Tally().left(SESSION, 1) == SESSION

    def test_a_session_more_needs_all_again(self) -> None:
        tally = Tally()
        tally.note(SESSION, {cell.id: 1.0 for cell in CELLS}, [])
        assert tally.left(SESSION, 1) is None
        assert tally.left(SESSION, 2) == SESSION

    def test_a_cell_that_was_not_ended_is_left(self) -> None:
        tally = Tally()
        tally.note(SESSION, {CELLS[0].id: 1.0}, [])
        assert keys(tally.left(SESSION, 1)) == both(CELLS[1])

    def test_a_mode_that_failed_is_not_tried_again_and_the_others_are(self) -> None:
        tally = Tally()
        tally.note(SESSION, {cell.id: 1.0 for cell in CELLS}, [key_of(CELLS[0], "script")])
        assert keys(tally.left(SESSION, 2)) == [key_of(CELLS[0], "eager"), *both(CELLS[1])]
        assert key_of(CELLS[0], "script") not in tally.measured

    def test_a_mode_is_measured_beside_eager(self) -> None:
        tally = Tally({key_of(CELLS[0], "eager"): 5, key_of(CELLS[0], "script"): 4})
        tally.measured.update(dict.fromkeys(both(CELLS[1]), 5))
        assert keys(tally.left(SESSION, 5)) == both(CELLS[0])

    def test_but_not_beside_an_eager_that_failed(self) -> None:
        tally = Tally(given_up={key_of(CELLS[0], "eager"), *both(CELLS[1])})
        assert keys(tally.left(SESSION, 1)) == [key_of(CELLS[0], "script")]

    def test_nothing_is_left_of_what_was_given_up(self) -> None:
        assert Tally(given_up={*both(CELLS[0]), *both(CELLS[1])}).left(SESSION, 1) is None


def test_a_run_that_is_gone_on_with_lacks_what_its_records_lack(tmp_path: Path) -> None:
    raw = RawRun(tmp_path / "run")
    raw.plan(*CELLS)
    raw.session("processes-1-try1", CELLS)
    raw.session("processes-1-try2", [CELLS[0]], dropped={"script": (0, "oom", "no memory")})
    raw.outcome(key_of(CELLS[1], "script"), "failed", "a kill")
    tally = Tally.of(load_run(tmp_path / "run"))
    assert tally.measured == {
        key_of(CELLS[0], "eager"): 2,
        **dict.fromkeys([key_of(CELLS[0], "script"), *both(CELLS[1])], 1),
    }
    assert keys(tally.left(SESSION, 2)) == [*both(CELLS[0]), *both(CELLS[1])]


def test_a_session_that_was_broken_off_counts_by_its_share(tmp_path: Path) -> None:
    """A job that is signalled after the first visit of each cell had a part of the rounds of each point, for good."""
    raw = RawRun(tmp_path / "run")
    raw.plan(*CELLS)
    for number in (1, 2, 3):
        raw.session(f"processes-1-try{number}", CELLS, stop="unfinished", share=0.4)
        tally = Tally.of(load_run(tmp_path / "run"))
        # What many starts have measured adds up, or a job that is often preempted would never end.
        assert (tally.left(SESSION, 1) is None) == (number == 3)


def test_a_session_that_was_broken_off_counts_by_its_share_where_it_broke_too() -> None:
    tally = Tally()
    tally.note(SESSION, {CELLS[0].id: 1.0, CELLS[1].id: 0.5}, [])
    assert keys(tally.left(SESSION, 1)) == both(CELLS[1])
    tally.note(SESSION, {CELLS[1].id: 0.5}, [])
    assert tally.left(SESSION, 1) is None


def test_what_was_measured_counts_also_where_its_plan_is_lost(tmp_path: Path) -> None:
    raw = RawRun(tmp_path / "run")
    raw.plan(*CELLS)
    raw.session("processes-1-try1", [CELLS[0]])
    (raw.directory / "raw" / "launcher.jsonl").unlink()
    plan = Plan(tuple(point for cell in CELLS for point in cell.points), (SESSION,), {})
    tally = tally_of(raw.directory, plan, Inventory("cpu", 1, "", 1))
    assert keys(tally.left(SESSION, 1)) == both(CELLS[1])


def test_what_ended_for_good_is_not_tried_again_and_what_failed_is(tmp_path: Path) -> None:
    raw = RawRun(tmp_path / "run")
    raw.plan(*CELLS)
    for mode, status in (("eager", "failed"), ("script", "oom")):
        raw.outcome(key_of(CELLS[0], mode), status, "x")
    assert Tally.of(load_run(tmp_path / "run")).given_up == {key_of(CELLS[0], "script")}


@pytest.mark.parametrize(
    ("sessions", "most", "expected"),
    [(5, 5, []), (5, 6, [[6]]), (5, 7, [[6], [7]]), (10, 20, [[*range(11, 16)], [*range(16, 21)]])],
)
def test_there_are_two_looks_at_most_however_many_sessions_may_follow(
    sessions: int, most: int, expected: list[list[int]]
) -> None:
    timing = TimingConfig(sessions=sessions, max_sessions=most)
    assert [list(numbers) for numbers in further(timing)] == expected
