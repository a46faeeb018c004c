"""Rounds of known times give exactly the figures that the columns are defined to be."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import median

import pytest
from raw_runs import RawRun, cell_of, points, row

from harness.analysis.run import load_run
from harness.core.schema import ends
from harness.plan.points import Cell
from harness.sweep.announce import point_record


class TestOneRank:
    def test_a_step_is_the_median_over_rounds_in_microseconds(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell)
        times = [5000, 1000, 9000, 3000, 7000, 2000, 4000]
        raw.session("s", [cell], rounds=7, step_ns=lambda mode, rank, number: times[number])
        assert row(raw)["step_us"] == 4.0

    def test_what_was_measured_in_one_session_has_no_interval_and_no_verdict(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        script = row(raw, "script")
        assert script["sessions"] == 1
        assert script["verdict"] == "undecided"
        for figure in ("step_us", "throughput_samples_s", "speedup_vs_eager", "dispatch_share"):
            assert not math.isnan(script[figure])
            assert all(math.isnan(script[end]) for end in ends(figure)), figure

    def test_throughput_is_samples_over_time(self, raw: RawRun) -> None:
        cell = cell_of(["eager"], batch=10)
        raw.plan(cell)
        raw.session("s", [cell], step_ns=lambda *_: 2000)
        assert row(raw)["throughput_samples_s"] == pytest.approx(10 / 2000e-9)

    @pytest.mark.parametrize(("batch", "devices", "steps"), [(2**61, 4, 100), (2**50, 1, 2**39)])
    def test_a_throughput_may_be_of_more_samples_than_64_bits_count(
        self, raw: RawRun, batch: int, devices: int, steps: int
    ) -> None:
        cell = cell_of(["eager"], batch=batch, devices=devices)
        raw.plan(cell)
        raw.session("s", [cell], ranks=devices, steps=steps)
        found = row(raw, devices=devices)["throughput_samples_s"]
        assert found == pytest.approx(batch * devices / 3000e-9)

    def test_a_speed_up_pairs_rounds_and_not_medians(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        eager, script = [1000, 2000, 9000, 4000, 5000, 6000, 7000], [500, 500, 1000, 4000, 4000, 2000, 8000]
        raw.session(
            "s", [cell], rounds=7, step_ns=lambda mode, _, n: (eager if mode == "eager" else script)[n]
        )
        expected = median([e / s for e, s in zip(eager, script, strict=True)])
        assert row(raw, "script")["speedup_vs_eager"] == pytest.approx(expected)
        assert expected != pytest.approx(5000 / 2000), "the medians' ratio is another number"

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
        assert (found["prepare_s"], found["first_call_s"], found["process_peak_mib"]) == (1.5, 1.25, 101.0)

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

    @pytest.mark.parametrize(("gil", "told"), [(True, "yes"), (False, "no"), (None, "")])
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
