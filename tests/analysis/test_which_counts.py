"""Which measurement of a point counts, and what becomes of one that has none."""

from __future__ import annotations

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of, key_of, points, row

from harness.analysis.run import load_run
from harness.core.schema import COLUMNS


class TestWhatCounts:
    def test_a_cell_that_was_not_ended_has_no_row(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell], ended=False)
        run = load_run(raw.directory)
        assert run.points.empty
        assert list(run.points.columns) == list(COLUMNS)
        (note,) = run.notes
        assert note.startswith("2 of 2 points are not measured yet")
        assert f"resume={raw.directory}" in note

    def test_of_several_cells_those_that_ended_count(self, raw: RawRun) -> None:
        done, broken = cell_of(batch=1), cell_of(batch=2)
        raw.plan(done, broken)
        writers = raw.begin("s")
        raw.measure(writers, done)
        raw.measure(writers, broken, ended=False)
        run = load_run(raw.directory)
        assert set(run.points["batch"]) == {1}
        assert run.notes[0].startswith("2 of 4 points")

    def test_every_complete_measurement_counts(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("a-try1", [cell], ended=False, step_ns=lambda *_: 7000)
        raw.session("a-try2", [cell], step_ns=lambda *_: 2000)
        raw.session("a-try3", [cell], step_ns=lambda *_: 8000)
        assert list(points(raw)["step_us"]) == pytest.approx([4.0, 4.0])
        assert (row(raw)["sessions"], row(raw)["rounds"]) == (2, 20)

    def test_a_speed_up_is_against_eager_of_the_same_session(self, raw: RawRun) -> None:
        both, again = cell_of(["eager", "script"]), cell_of(["eager", "trace"])
        raw.plan(cell_of(["eager", "script", "trace"]))
        raw.session("a-try1", [both], step_ns=lambda mode, *_: 3000 if mode == "eager" else 1000)
        raw.session("a-try2", [again], step_ns=lambda mode, *_: 8000 if mode == "eager" else 2000)
        assert row(raw, "script")["speedup_vs_eager"] == 3.0
        assert row(raw, "trace")["speedup_vs_eager"] == 4.0

    def test_what_was_never_planned_has_no_row(self, raw: RawRun) -> None:
        raw.plan(cell_of(batch=1))
        raw.session("s", [cell_of(batch=2)])
        assert load_run(raw.directory).points.empty

    def test_rows_come_in_the_order_of_the_plan(self, raw: RawRun) -> None:
        cells = [cell_of(batch=batch) for batch in (64, 1, 16)]
        raw.plan(*cells)
        raw.session("s", reversed(cells))
        assert list(load_run(raw.directory).points["batch"]) == [64, 64, 1, 1, 16, 16]

    def test_a_point_planned_twice_is_one_row(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.plan(cell)
        raw.session("s", [cell])
        assert len(load_run(raw.directory).points) == 2

    def test_figures_do_not_change_when_another_session_is_added(self, raw: RawRun) -> None:
        cell, other = cell_of(), cell_of(batch=99)
        raw.plan(cell)
        raw.session("s", [cell])
        before = load_run(raw.directory).points
        raw.plan(other)
        raw.session("t", [other], ranks=2)
        after = load_run(raw.directory).points
        pd.testing.assert_frame_equal(before, after[after["batch"] != 99].reset_index(drop=True))


class TestStatus:
    def test_an_outcome_is_a_row_with_its_reason_and_no_figures(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.outcome(key_of(cell, "eager"), "unsupported", "8 devices asked for, 2 present")
        (found,) = load_run(raw.directory).points.to_dict("records")
        assert (found["status"], found["error"]) == ("unsupported", "8 devices asked for, 2 present")
        assert (found["device_kind"], found["device_name"]) == ("cpu", "Test device")
        assert pd.isna(found["step_us"]) and pd.isna(found["rounds"])

    def test_a_mode_dropped_in_an_ended_cell_is_a_row_beside_the_others(self, raw: RawRun) -> None:
        cell = cell_of(["eager", "script", "trace"])
        raw.plan(cell)
        raw.session("s", [cell], ranks=2, dropped={"script": (1, "oom", "RuntimeError: no memory")})
        found = points(raw)
        assert list(found["status"]) == ["ok", "oom", "ok"]
        assert found.loc[("script", 1), "error"] == "rank 1: RuntimeError: no memory"
        assert found.loc[("trace", 1), "speedup_vs_eager"] == 1.5

    def test_a_mode_dropped_in_a_cell_that_did_not_end_is_not_known_yet(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell], dropped={"script": (0, "failed", "x")}, ended=False)
        assert load_run(raw.directory).points.empty

    def test_the_rank_that_failed_first_gives_the_reason(self, raw: RawRun) -> None:
        """The other's failure may follow from it. Files are read in the order of ranks, not of time."""
        cell = cell_of()
        raw.plan(cell)
        writers = raw.begin("s", 2)
        raw.measure(writers, cell, dropped={"script": (1, "failed", "the cause")}, ended=False)
        raw.now_ns += 10
        drop = {"cell": cell.id, "key": key_of(cell, "script"), "at_ns": raw.now_ns}
        writers[0].write("dropped", status="failed", error="connection closed by peer", **drop)
        writers[0].write("end", cell=cell.id, stop="settled", keys=[key_of(cell, "eager")])
        assert row(raw, "script")["error"] == "rank 1: the cause"

    def test_a_measurement_beats_an_earlier_failure(self, raw: RawRun) -> None:
        """What timed out and was measured on resume is measured."""
        cell = cell_of()
        raw.plan(cell)
        for point in cell.points:
            raw.outcome(point.key, "timeout", "no progress")
        raw.session("s", [cell])
        assert list(points(raw)["status"]) == ["ok", "ok"]
        assert list(points(raw)["error"]) == ["", ""]

    def test_a_later_failure_does_not_take_a_measurement_away(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        raw.outcome(key_of(cell, "eager"), "failed", "rank 0 was ended by SIGKILL")
        assert row(raw)["status"] == "ok"

    def test_of_two_outcomes_the_last_one_holds(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.outcome(cell.points[0].key, "timeout", "first")
        raw.outcome(cell.points[0].key, "failed", "second")
        assert (row(raw)["status"], row(raw)["error"]) == ("failed", "second")

    def test_a_status_that_nobody_knows_is_no_row(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.outcome(cell.points[0].key, "splendid", "")
        assert load_run(raw.directory).points.empty
