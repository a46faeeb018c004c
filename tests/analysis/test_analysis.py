"""Raw records to points: known block times give exactly the figures that the columns are defined to be."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from raw_runs import POINT, RawRun, cell_of, key_of, seconds_of
from running import python_path

from harness.analysis.run import load_run, planned_points, session_progress
from harness.core.errors import ConfigError
from harness.core.files.made import Made
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, TEXT_COLUMNS
from harness.core.stats import median_interval
from harness.modes import Mode
from harness.modes import registry as modes
from harness.plan.points import Cell
from harness.records.raw import LAUNCHER_FILE
from harness.report import write_csv
from harness.sweep.run import point_record


@pytest.fixture
def raw(tmp_path: Path) -> RawRun:
    return RawRun(tmp_path / "run")


def points(raw: RawRun) -> pd.DataFrame:
    """The table, by mode and device count."""
    return load_run(raw.directory).points.set_index(["mode", "devices"], drop=False)


def row(raw: RawRun, mode: str = "eager", devices: int = 1) -> Any:
    return points(raw).loc[(mode, devices)]


class TestOneRank:
    def test_a_step_is_the_median_over_rounds_in_microseconds(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        times = [5000, 1000, 9000, 3000, 7000, 2000, 4000]
        raw.session("s", [cell], rounds=7, step_ns=lambda mode, rank, number: times[number])
        expected = median_interval(times)
        assert row(raw)["step_us"] == 4.0
        assert row(raw)["step_us_low"] == expected.low / 1e3
        assert row(raw)["step_us_high"] == expected.high / 1e3

    def test_throughput_is_samples_over_time(self, raw: RawRun) -> None:
        cell = cell_of(["eager"], batch=10)
        raw.plan(cell)
        raw.session("s", [cell], step_ns=lambda *_: 2000)
        assert row(raw)["throughput_samples_s"] == pytest.approx(10 / 2000e-9)

    def test_a_speed_up_is_the_median_of_paired_ratios(self, raw: RawRun) -> None:
        """A machine that gets slower all the time: each round has the ratio 4, medians need not."""
        cell = cell_of()
        raw.plan(cell)
        raw.session(
            "s", [cell], rounds=12, step_ns=lambda mode, _, n: (4000 if mode == "eager" else 1000) * (n + 1)
        )
        script = row(raw, "script")
        assert script["speedup_vs_eager"] == script["speedup_low"] == script["speedup_high"] == 4.0
        assert script["step_us_high"] > 2 * script["step_us_low"]

    def test_a_speed_up_pairs_rounds_and_not_medians(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        eager, script = [1000, 2000, 9000, 4000, 5000, 6000, 7000], [500, 500, 1000, 4000, 4000, 2000, 8000]
        raw.session(
            "s", [cell], rounds=7, step_ns=lambda mode, _, n: (eager if mode == "eager" else script)[n]
        )
        expected = median_interval([e / s for e, s in zip(eager, script, strict=True)])
        found = row(raw, "script")
        assert found["speedup_vs_eager"] == pytest.approx(expected.median)
        assert (found["speedup_low"], found["speedup_high"]) == pytest.approx((expected.low, expected.high))
        assert expected.median != pytest.approx(5000 / 2000), "the medians' ratio is another number"

    def test_eager_is_as_fast_as_itself(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        assert row(raw)["speedup_vs_eager"] == 1.0

    def test_without_eager_there_is_no_speed_up(self, raw: RawRun) -> None:
        cell = cell_of(["script", "trace"])
        raw.plan(cell)
        raw.session("s", [cell])
        assert math.isnan(row(raw, "script")["speedup_vs_eager"])
        assert row(raw, "script")["step_us"] == 1.0

    def test_rounds_and_steps_are_counted(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("s", [cell], rounds=13, steps=50)
        assert (row(raw)["rounds"], row(raw)["steps"]) == (13, 650)

    def test_the_share_of_dispatch_on_a_cpu_is_against_the_fastest_mode_without_python(
        self, raw: RawRun
    ) -> None:
        cell = cell_of(["eager", "script", "trace"])
        raw.plan(cell)
        raw.session("s", [cell])
        shares = points(raw)["dispatch_share"]
        assert shares["eager", 1] == pytest.approx(1 - 1000 / 3000)
        assert shares["script", 1] == 0.0
        assert shares["trace", 1] == pytest.approx(0.5)

    def test_the_fastest_mode_of_another_cell_does_not_count(self, raw: RawRun) -> None:
        cells = [cell_of(batch=10), cell_of(batch=20)]
        raw.plan(*cells)
        raw.session("s", [cells[0]])
        raw.session("t", [cells[1]], step_ns=lambda mode, *_: 600 if mode == "eager" else 300)
        found = load_run(raw.directory).points.set_index(["batch", "mode"])["dispatch_share"]
        assert found[10, "eager"] == pytest.approx(1 - 1000 / 3000)
        assert found[20, "eager"] == pytest.approx(0.5)

    def test_eager_alone_has_no_share_of_dispatch(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("s", [cell])
        assert math.isnan(row(raw)["dispatch_share"])

    def test_on_another_device_the_share_does_not_come_from_other_modes(self, tmp_path: Path) -> None:
        raw = RawRun(tmp_path / "run", device_kind="cuda")
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell], extra={"issue_ns": 1500.0})
        assert math.isnan(row(raw)["dispatch_share"])
        assert row(raw)["issue_us"] == 1.5

    def test_the_share_of_the_cpu_is_cpu_time_over_wall_time(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("s", [cell], cpu_share=0.93)
        assert row(raw)["host_cpu_share"] == pytest.approx(0.93)

    def test_without_usage_its_columns_are_empty_and_nothing_is_warned_of(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("s", [cell], cpu_share=None)
        assert math.isnan(row(raw)["host_cpu_share"])
        assert math.isnan(row(raw)["issue_us"])
        assert row(raw)["warnings"] == ""


class TestTwoRanks:
    @pytest.fixture
    def cell(self, raw: RawRun) -> Cell:
        cell = cell_of(devices=2, batch=10)
        raw.plan(cell)
        return cell

    def test_the_slowest_rank_sets_the_time_of_a_step(self, raw: RawRun, cell: Cell) -> None:
        """In turns, so that the median of each rank alone would be 2 us."""
        raw.session(
            "s", [cell], ranks=2, rounds=8, step_ns=lambda mode, rank, n: 3000 if rank == n % 2 else 1000
        )
        assert row(raw, devices=2)["step_us"] == 3.0
        assert row(raw, devices=2)["rank_spread"] == pytest.approx(2.0)

    def test_throughput_is_over_the_time_from_the_first_start_to_the_last_end(
        self, raw: RawRun, cell: Cell
    ) -> None:
        """Rank 1 starts 40 us late: both take 100 us, together 140 us for 2 x 10 x 100 samples."""
        raw.session("s", [cell], ranks=2, step_ns=lambda *_: 1000, start_late_ns={1: 40_000})
        assert row(raw, devices=2)["throughput_samples_s"] == pytest.approx(2 * 10 * 100 / 140e-6)
        assert row(raw, devices=2)["step_us"] == 1.0

    def test_under_strong_scaling_the_batch_is_that_of_all(self, raw: RawRun) -> None:
        cell = cell_of(devices=2, batch=10, scaling="strong")
        raw.plan(cell)
        raw.session("s", [cell], ranks=2, step_ns=lambda *_: 1000)
        assert row(raw, devices=2)["throughput_samples_s"] == pytest.approx(10 * 100 / 100e-6)

    def test_a_round_that_a_rank_lacks_is_left_out(self, raw: RawRun, cell: Cell) -> None:
        """There the one rank that is known was fast; its time is not that of the slowest."""
        raw.session(
            "s",
            [cell],
            ranks=2,
            rounds=9,
            step_ns=lambda mode, rank, n: 100 if rank == 0 and n >= 4 else 5000,
            missing=[(1, n) for n in range(4, 9)],
        )
        assert row(raw, devices=2)["rounds"] == 4
        assert row(raw, devices=2)["step_us"] == 5.0

    def test_a_session_whose_rank_is_missing_altogether_gives_no_figures(
        self, raw: RawRun, cell: Cell
    ) -> None:
        """Else one rank's time would pass for that of two, with twice the samples."""
        raw.session("s", [cell], ranks=2)
        (raw.directory / "raw" / "s-rank1.jsonl").unlink()
        run = load_run(raw.directory)
        assert run.points["step_us"].isna().all()
        assert run.points.empty or (run.points["status"] != "ok").all()

    def test_preparing_and_memory_are_those_of_the_worst_rank(self, raw: RawRun, cell: Cell) -> None:
        raw.session("s", [cell], ranks=2)
        found = row(raw, devices=2)
        assert (found["prepare_s"], found["first_call_s"], found["memory_peak_mib"]) == (1.5, 1.25, 101.0)

    def test_the_share_of_the_cpu_is_the_mean_over_ranks(self, raw: RawRun, cell: Cell) -> None:
        writers = raw.begin("s", 2)
        raw.measure(writers, cell, cpu_share=1.0, ended=False, missing=[(1, n) for n in range(10)])
        path = raw.directory / "raw" / "s-rank0.jsonl"
        lines = [line for line in path.read_text().splitlines() if '"round"' in line]
        for line in lines:
            record = json.loads(line)
            for block in record["blocks"]:
                block["cpu_ns"] //= 2
            writers[1].write(record.pop("type"), **record)
        writers[0].write("end", cell=cell.id, stop="settled", keys=[p.key for p in cell.points])
        assert row(raw, devices=2)["host_cpu_share"] == pytest.approx(0.75)


class TestScaling:
    def measure(self, raw: RawRun, scaling: str, step_ns: dict[int, int]) -> pd.DataFrame:
        cells = {n: cell_of(["eager"], devices=n, batch=12, scaling=scaling) for n in step_ns}
        raw.plan(*cells.values())
        for devices, cell in cells.items():
            raw.session(f"s{devices}", [cell], ranks=devices, step_ns=lambda *_, n=devices: step_ns[n])
        return points(raw)["scaling_efficiency"]

    def test_under_weak_scaling_a_step_that_stays_as_long_is_perfect(self, raw: RawRun) -> None:
        found = self.measure(raw, "weak", {1: 1000, 2: 1000, 4: 1250})
        assert found["eager", 1] == 1.0
        assert found["eager", 2] == pytest.approx(1.0)
        assert found["eager", 4] == pytest.approx(0.8)

    def test_under_strong_scaling_a_step_must_become_shorter(self, raw: RawRun) -> None:
        found = self.measure(raw, "strong", {1: 1000, 2: 500, 4: 500})
        assert found["eager", 2] == pytest.approx(1.0)
        assert found["eager", 4] == pytest.approx(0.5)

    def test_without_one_device_there_is_nothing_to_scale_from(self, raw: RawRun) -> None:
        assert math.isnan(self.measure(raw, "weak", {2: 1000})["eager", 2])

    def test_a_point_is_compared_with_the_same_point_and_no_other(self, raw: RawRun) -> None:
        cells = [
            cell_of(["eager"], devices=1, batch=4),
            cell_of(["eager"], devices=1, batch=12),
            cell_of(["eager"], devices=2, batch=12),
        ]
        raw.plan(*cells)
        for number, cell in enumerate(cells):
            raw.session(
                f"s{number}",
                [cell],
                ranks=cell.points[0].devices,
                step_ns=lambda *_, n=number: 1000 + 500 * n,
            )
        table = load_run(raw.directory).points.set_index(["batch", "devices"])
        assert table.loc[(12, 2), "scaling_efficiency"] == pytest.approx(1500 / 2000)


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

    def test_the_first_complete_measurement_wins(self, raw: RawRun) -> None:
        """On resume eager runs again beside a missing mode; its figures must not change by that."""
        cell = cell_of()
        raw.plan(cell)
        raw.session("a-try1", [cell], ended=False, step_ns=lambda *_: 7000)
        raw.session("a-try2", [cell], step_ns=lambda *_: 2000)
        raw.session("a-try3", [cell], step_ns=lambda *_: 9000)
        assert list(points(raw)["step_us"]) == [2.0, 2.0]
        assert row(raw)["rounds"] == 10

    def test_the_tenth_try_comes_after_the_second(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("a-try2", [cell], step_ns=lambda *_: 2000)
        raw.session("a-try10", [cell], step_ns=lambda *_: 9000)
        assert row(raw)["step_us"] == 2.0

    def test_a_speed_up_is_against_eager_of_the_same_session(self, raw: RawRun) -> None:
        both, again = cell_of(["eager", "script"]), cell_of(["eager", "trace"])
        raw.plan(cell_of(["eager", "script", "trace"]))
        raw.session("a-try1", [both], step_ns=lambda mode, *_: 3000 if mode == "eager" else 1000)
        raw.session("a-try2", [again], step_ns=lambda mode, *_: 8000 if mode == "eager" else 2000)
        assert row(raw)["step_us"] == 3.0
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


class TestWarnings:
    def warnings(self, raw: RawRun, mode: str = "eager", **options: Any) -> str:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell], **options)
        return str(row(raw, mode)["warnings"])

    @pytest.mark.parametrize("stop", ["noisy", "capped"])
    def test_a_wide_interval_is_warned_of_with_the_reason_for_stopping(self, raw: RawRun, stop: str) -> None:
        assert self.warnings(raw, stop=stop, step_ns=lambda mode, _, n: 1000 + 300 * (n % 3)) == stop

    @pytest.mark.parametrize("stop", ["noisy", "capped"])
    def test_a_mode_that_was_narrow_is_not_blamed_for_another(self, raw: RawRun, stop: str) -> None:
        """Eager's own times are steady; those of script, and so its ratio, are not."""
        assert (
            self.warnings(
                raw, stop=stop, step_ns=lambda mode, _, n: 3000 if mode == "eager" else 1000 + 300 * (n % 3)
            )
            == ""
        )
        assert row(raw, "script")["warnings"] == stop

    def test_a_sharp_ratio_is_not_noisy_though_its_step_times_are(self, raw: RawRun) -> None:
        def drifting(mode: str, rank: int, number: int) -> int:
            return (3000 if mode == "eager" else 1000) * (1 + number)

        assert self.warnings(raw, "script", stop="noisy", step_ns=drifting) == ""
        assert row(raw)["warnings"] == "noisy"

    def test_a_settled_cell_has_no_warning(self, raw: RawRun) -> None:
        assert self.warnings(raw) == ""

    def test_a_thread_that_waited_for_a_core_was_oversubscribed(self, raw: RawRun) -> None:
        assert self.warnings(raw, cpu_share=0.5) == "oversubscribed"

    def test_more_ranks_than_cores_are_oversubscribed(self, tmp_path: Path) -> None:
        for cores, expected in ((2, ""), (1, "oversubscribed")):
            raw = RawRun(tmp_path / f"run{cores}", cores=cores)
            cell = cell_of(["eager"], devices=2)
            raw.plan(cell)
            raw.session("s", [cell], ranks=2)
            assert row(raw, devices=2)["warnings"] == expected

    @pytest.mark.parametrize(
        ("controller", "expected"),
        [("processes", "oversubscribed"), ("threads", "oversubscribed"), ("loop", "")],
    )
    def test_one_thread_that_serves_many_devices_needs_one_core(
        self, tmp_path: Path, controller: str, expected: str
    ) -> None:
        raw = RawRun(tmp_path / "run", cores=2)
        cell = cell_of(["eager"], devices=4, controller=controller)
        raw.plan(cell)
        raw.session("s", [cell], ranks=4 if controller == "processes" else 1)
        assert row(raw, devices=4)["warnings"] == expected

    def test_a_thread_that_waited_for_the_interpreters_lock_did_not_want_for_a_core(
        self, tmp_path: Path
    ) -> None:
        raw = RawRun(tmp_path / "run", cores=4)
        cell = cell_of(["eager"], devices=2, controller="threads")
        raw.plan(cell)
        raw.session("s", [cell], cpu_share=0.5)
        assert row(raw, devices=2)["warnings"] == ""

    def test_a_thread_that_runs_no_python_and_waits_wants_for_a_core(self, tmp_path: Path) -> None:
        raw = RawRun(tmp_path / "run", cores=4)
        cell = cell_of(["eager", "script"], devices=2, controller="threads")
        raw.plan(cell)
        raw.session("s", [cell], cpu_share=0.5)
        assert row(raw, "script", devices=2)["warnings"] == "oversubscribed"

    @pytest.mark.parametrize("growth", [3.0, 0.25])
    def test_a_launch_queue_that_filled_up_is_warned_of(self, raw: RawRun, growth: float) -> None:
        assert self.warnings(raw, extra={"issue_ns": 1000.0, "growth": growth}) == "back_pressure"

    def test_a_second_half_that_takes_as_long_as_the_first_is_no_back_pressure(self, raw: RawRun) -> None:
        assert self.warnings(raw, extra={"issue_ns": 1000.0, "growth": 1.2}) == ""

    @pytest.mark.parametrize(
        ("replay_ns", "expected"), [(1049.0, ""), (960.0, ""), (940.0, "replay_differs")]
    )
    def test_a_replay_that_differs_by_more_than_5_percent_is_warned_of(
        self, raw: RawRun, replay_ns: float, expected: str
    ) -> None:
        found = {"held_ns": 1000.0, "replay_ns": replay_ns, "launches": 9}
        assert self.warnings(raw, found=found) == expected
        assert row(raw)["replay_us"] == pytest.approx(replay_ns / 1000)
        assert row(raw)["launches"] == 9

    def test_two_warnings_are_separated_by_semicolons(self, raw: RawRun) -> None:
        found = self.warnings(
            raw, stop="noisy", cpu_share=0.5, step_ns=lambda mode, _, n: 1000 + 300 * (n % 3)
        )
        assert found == "noisy;oversubscribed"


class TestNodes:
    """Ranks on several nodes, each with a clock of its own that began when the node was booted."""

    def test_blocks_are_laid_side_by_side_on_one_clock(self, raw: RawRun) -> None:
        cell = cell_of(["eager"], devices=2)
        raw.plan(cell)
        ahead = 3_600_000_000_000
        writers = raw.begin("s", ranks=2, each=[{}, {"clock_offset_ns": -ahead}])
        raw.measure(writers, cell, start_late_ns={1: ahead})
        # 100 steps of 3,000 ns of 2 x 10 samples; an hour's difference would leave nothing of it.
        assert row(raw, devices=2)["throughput_samples_s"] == pytest.approx(20 * 100 / 300e-6)

    def test_every_node_has_cores_of_its_own(self, tmp_path: Path) -> None:
        raw = RawRun(tmp_path / "run", cores=2)
        cell = cell_of(["eager"], devices=4)
        for point in cell.points:
            record = point_record(point)
            raw.launcher("point", **{**record, "axes": {**record["axes"], "nodes": 2}})
        raw.session("s", [cell], ranks=4)
        assert row(raw, devices=4)["warnings"] == ""


class TestHost:
    """What the host did meanwhile, per rank."""

    def test_the_share_of_the_issuing_threads_is_that_of_the_least_fed_rank(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("s", [cell], extra={"main_ns": 75_000, "cpu_ns": 150_000})  # of 300,000
        assert row(raw)["main_thread_share"] == pytest.approx(0.25)
        assert row(raw)["host_cpu_share"] == pytest.approx(0.5)

    def test_context_switches_are_counted_a_second(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.session("s", [cell], extra={"waits": 3, "preemptions": 6})  # in 300 us
        assert row(raw)["waits_s"] == pytest.approx(10_000)
        assert row(raw)["preemptions_s"] == pytest.approx(20_000)

    @pytest.mark.parametrize(("gil", "told"), [(True, "yes"), (False, "no"), ("?", ""), ([], "")])
    def test_whether_the_interpreter_has_a_lock_is_told_as_the_rank_said(
        self, raw: RawRun, gil: object, told: str
    ) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        writers = raw.begin("s", gil=gil, cores=6, threads=2)
        raw.measure(writers, cell)
        found = row(raw)
        assert (found["gil"], found["cores"], found["threads"]) == (told, 6, 2)

    def test_threads_of_one_rank_are_spread_as_ranks_are(self, raw: RawRun) -> None:
        cell = cell_of(["eager"], devices=2, controller="threads")
        raw.plan(cell)
        raw.session("s", [cell], extra={"fastest_ns": 200_000})  # of 300,000
        assert row(raw, devices=2)["rank_spread"] == pytest.approx(0.5)


class TestForeign:
    """Nothing that stands in a run directory may break the analysis, or get into the table unasked."""

    def good(self, raw: RawRun) -> Cell:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        return cell

    def assert_unharmed(self, raw: RawRun) -> pd.DataFrame:
        table = load_run(raw.directory).points
        good = table[table["model"] == "mlp-8x2"]
        assert list(good["step_us"]) == [3.0, 1.0]
        return table

    @pytest.mark.parametrize(
        "change",
        [
            {"depth": "2"},
            {"depth": None},
            {"depth": True},
            {"batch": 1.5},
            {"mode": 3},
            {"mode": ["eager"]},
            {"model": None},
            {"scaling": 1},
            {"nodes": "1"},
            {"depth": 10**30},
            {"batch": 10**400},
            {"devices": 0},
            {"devices": -1},
        ],
        ids=lambda c: next(iter(c)),
    )
    def test_a_point_with_impossible_axes_is_left_out(self, raw: RawRun, change: dict[str, Any]) -> None:
        self.good(raw)
        record = point_record(replace(POINT, model="foreign", batch=77))
        raw.launcher("point", **{**record, "axes": {**record["axes"], **change}})
        raw.outcome(record["key"], "failed", "x")
        assert len(self.assert_unharmed(raw)) == 2

    @pytest.mark.parametrize("axis", ["depth", "model", "scaling", "nodes", "mode"])
    def test_a_point_without_one_of_its_axes_is_left_out(self, raw: RawRun, axis: str) -> None:
        self.good(raw)
        record = point_record(replace(POINT, model="foreign"))
        record["axes"].pop(axis)
        raw.launcher("point", **record)
        raw.outcome(record["key"], "failed", "x")
        assert len(self.assert_unharmed(raw)) == 2

    @pytest.mark.parametrize(
        "extra",
        [
            {"util_mean_pct": "<script>"},
            {"power_mean_w": 250.0},
            {"warnings": "noisy"},
            {"device_us": [1]},
            {"status": "ok"},
        ],
        ids=lambda e: next(iter(e)),
    )
    def test_further_entries_among_the_axes_do_not_get_into_the_table(
        self, raw: RawRun, extra: dict[str, Any]
    ) -> None:
        record = point_record(replace(POINT, model="foreign"))
        raw.launcher("point", **{**record, "axes": {**record["axes"], **extra}})
        raw.outcome(record["key"], "failed", "x")
        self.good(raw)
        table = self.assert_unharmed(raw)
        (foreign,) = table[table["model"] == "foreign"].to_dict("records")
        for name, value in extra.items():
            assert foreign[name] != value

    def test_two_points_with_the_same_axes_and_other_keys_break_nothing(self, raw: RawRun) -> None:
        cell = self.good(raw)
        for key in ("0" * 12, "1" * 12):
            raw.launcher("point", **{**point_record(cell.points[0]), "key": key})
            raw.outcome(key, "failed", "x")
        table = load_run(raw.directory).points
        assert list(table[table["status"] == "ok"]["step_us"]) == [3.0, 1.0]

    @pytest.mark.parametrize(
        "fields",
        [
            {"rel_width": "wide"},
            {"threads": "many"},
            {"threads": None},
            {"rel_width": [1]},
        ],
        ids=repr,
    )
    def test_a_session_with_strange_options_breaks_nothing(self, raw: RawRun, fields: dict[str, Any]) -> None:
        cell = self.good(raw)
        path = raw.directory / "raw" / "s-rank0.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        lines[0].update(fields)
        lines[-1]["stop"] = "noisy"
        path.write_text("\n".join(map(json.dumps, lines)) + "\n")
        table = load_run(raw.directory).points
        assert table.empty or list(table["step_us"]) == [3.0, 1.0]
        assert cell

    @pytest.mark.parametrize("value", ["much", [1], {}, True, "1e999"], ids=repr)
    def test_a_peak_of_memory_that_is_no_number_breaks_nothing(self, raw: RawRun, value: object) -> None:
        cell = self.good(raw)
        path = raw.directory / "raw" / "s-rank0.jsonl"
        record = {
            "type": "prepared",
            "cell": cell.id,
            "key": cell.points[0].key,
            "prepare_s": 0.1,
            "first_call_s": 0.1,
            "memory_peak_mib": value,
        }
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        self.assert_unharmed(raw)

    @pytest.mark.parametrize("name", ["cpu_ns", "main_ns", "issue_ns"])
    @pytest.mark.parametrize("value", ["x", [1], {}, None, 10**400], ids=lambda v: repr(v)[:10])
    def test_blocks_with_strange_usage_break_nothing(self, raw: RawRun, name: str, value: object) -> None:
        self.good(raw)
        other = cell_of(model="foreign")
        raw.plan(other)
        raw.session("t", [other], extra={name: value})
        self.assert_unharmed(raw)

    def test_a_file_without_its_first_line_is_left_out(self, raw: RawRun) -> None:
        self.good(raw)
        path = raw.directory / "raw" / "s-rank0.jsonl"
        path.with_name("t-rank0.jsonl").write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
        self.assert_unharmed(raw)

    def test_skipped_lines_are_counted_by_kind_in_a_note(self, raw: RawRun) -> None:
        self.good(raw)
        with (raw.directory / "raw" / "s-rank0.jsonl").open("ab") as file:
            file.write(b'\xff\xfe\n{"a":1}\n{"type":"unknown"}\n{"type":"rou')
        (note,) = load_run(raw.directory).notes
        assert note.startswith("4 raw lines were skipped")
        assert "1 binary" in note and "2 not records" in note and "1 cut off" in note

    def test_any_byte_may_be_lost_at_the_end_of_any_file(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell], rounds=6)
        for name in ("s-rank0.jsonl", LAUNCHER_FILE):
            path = raw.directory / "raw" / name
            whole = path.read_bytes()
            for length in range(len(whole) - 300, len(whole), 17):
                path.write_bytes(whole[:length])
                assert set(load_run(raw.directory).points["status"]) <= {"ok"}
            path.write_bytes(whole)

    def test_an_error_with_half_a_character_can_be_written_to_the_csv(self, raw: RawRun) -> None:
        """As from a file name that is not UTF-8: Python carries it as a lone surrogate."""
        cell = cell_of(["eager"])
        raw.plan(cell)
        raw.outcome(cell.points[0].key, "failed", "cannot open \udcff")
        write_csv(load_run(raw.directory).points, Made(raw.directory))
        assert len(pd.read_csv(raw.directory / "points.csv")) == 1

    def test_a_folder_that_is_no_run_is_refused(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(ConfigError) as caught:
                load_run(path)
            assert caught.value.key == "RUN"

    def test_a_run_without_any_records_is_an_empty_table(self, tmp_path: Path) -> None:
        (tmp_path / "raw").mkdir()
        run = load_run(tmp_path)
        assert run.points.empty
        assert list(run.points.columns) == list(COLUMNS)


class TestTable:
    def test_columns_have_their_order_and_types(self, raw: RawRun) -> None:
        cell = cell_of(["eager", "script", "trace"])
        raw.plan(cell)
        raw.session("s", [cell], dropped={"trace": (0, "failed", "x")})
        table = load_run(raw.directory).points
        assert list(table.columns) == list(COLUMNS)
        for name in COLUMNS:
            if name in INTEGER_COLUMNS:
                assert str(table[name].dtype) == "Int64", name
            elif name in TEXT_COLUMNS:
                assert all(type(value) is str for value in table[name]), name
            else:
                assert str(table[name].dtype) == "float64", name

    def test_the_csv_is_the_same_when_it_is_rebuilt(self, raw: RawRun) -> None:
        cells = [cell_of(batch=batch) for batch in (1, 2)]
        raw.plan(*cells, cell_of(batch=3))
        raw.session("s", cells, step_ns=lambda mode, _, n: 1000 + 37 * n)
        raw.outcome(key_of(cell_of(batch=3), "eager"), "oom", 'says "no", and more')
        texts = []
        for name in ("one.csv", "two.csv"):
            write_csv(load_run(raw.directory).points, Made(raw.directory), name)
            texts.append((raw.directory / name).read_bytes())
        assert texts[0] == texts[1]
        assert len(texts[0].splitlines()) == 1 + 5

    def test_the_figures_do_not_depend_on_the_plugins_that_are_loaded(
        self, raw: RawRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sweep analyses with its plugins loaded, `harness report` later without: the table is the same."""

        class Own(Mode):
            name, needs_python = "own", False

            def prepare(self, model, example):
                return model

        monkeypatch.setitem(modes._REGISTRY, "own", Own())
        cell = cell_of(["eager", "own"])
        raw.plan(cell)
        raw.session("s", [cell])
        within = load_run(raw.directory).points
        monkeypatch.delitem(modes._REGISTRY, "own")
        pd.testing.assert_frame_equal(load_run(raw.directory).points, within)
        assert within["dispatch_share"].notna().all()

    def test_the_label_names_sweep_and_folder(self, raw: RawRun) -> None:
        (raw.directory / "config.yaml").write_text("name: smoke\n")
        assert load_run(raw.directory).label == "smoke/run"


class TestProgress:
    def test_planned_points_are_those_written_down(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        assert planned_points(raw.directory) == {point.key for point in cell.points}

    def test_how_far_a_session_came(self, raw: RawRun) -> None:
        done, broken, unseen = cell_of(batch=1), cell_of(batch=2), cell_of(batch=3)
        writers = raw.begin("s-try1", 2)
        raw.measure(writers, done)
        raw.measure(writers, broken, ended=False, dropped={"script": (1, "oom", "no memory")})
        raw.session("s-try10", [unseen])
        progress = session_progress(raw.directory, "s-try1")
        assert progress.begun == {done.id, broken.id}
        assert progress.ended == {done.id}
        assert progress.dropped == {key_of(broken, "script"): ("oom", "rank 1: no memory")}


def test_analysis_imports_no_torch(raw: RawRun) -> None:
    cell = cell_of()
    raw.plan(cell)
    raw.session("s", [cell])
    code = (
        "import sys; from pathlib import Path; from harness.analysis.run import load_run; "
        "load_run(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(raw.directory)],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_time_grows_about_linearly_with_the_number_of_lines(tmp_path: Path) -> None:
    """Eight times the cells may take 8 times as long; quadratic growth would take 64 times."""

    def run_of(cells: int) -> Callable[[], Any]:
        raw = RawRun(tmp_path / f"run{cells}")
        made = [cell_of(batch=batch) for batch in range(1, cells + 1)]
        raw.plan(*made)
        raw.session("s", made, ranks=2, rounds=10)
        return lambda: load_run(raw.directory)

    small, large = run_of(40), run_of(320)
    assert seconds_of(large, times=2) < 20 * seconds_of(small)
