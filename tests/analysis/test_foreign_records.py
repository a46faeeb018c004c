"""Records that nobody of ours has written break nothing, and get into no figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from raw_runs import POINT, RawRun, cell_of

from harness.analysis.run import load_run
from harness.core.errors import ConfigError
from harness.core.files.made import Made
from harness.core.schema import COLUMNS
from harness.plan.points import Cell
from harness.records.raw import LAUNCHER_FILE
from harness.report.csvfile import write_csv
from harness.sweep.announce import point_record


class TestNotUsed:
    """What lies there and is not shown is counted, with the reason."""

    def note(self, raw: RawRun, word: str) -> str:
        (note,) = (note for note in load_run(raw.directory).notes if word in note)
        return note

    def test_points_of_an_earlier_version_have_the_defaults_of_later_axes(self, raw: RawRun) -> None:
        cell = cell_of()
        for point in cell.points:
            record = point_record(point)
            for name in ("nodes", "scaling", "autograd"):
                del record["axes"][name]
            raw.launcher("point", **record)
        raw.session("s", [cell])
        points = load_run(raw.directory).points
        assert list(points["status"]) == ["ok", "ok"]
        assert list(points["nodes"]) == [1, 1]

    def test_measured_points_without_a_plan(self, raw: RawRun) -> None:
        raw.session("s", [cell_of()])
        assert "2 measured points are not shown: raw/launcher.jsonl does not say" in self.note(
            raw, "measured points"
        )
        assert load_run(raw.directory).points.empty

    def test_measured_points_whose_plan_is_lost_count_again_once_it_is_written_anew(
        self, raw: RawRun
    ) -> None:
        """As a resumed sweep does for every point that it does not find there."""
        cell = cell_of()
        raw.session("s", [cell])
        raw.plan(cell)
        run = load_run(raw.directory)
        assert list(run.points["status"]) == ["ok", "ok"]
        assert not any("not shown" in note for note in run.notes)

    def test_a_file_that_does_not_say_whose_it_is(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        file = raw.directory / "raw" / "s-rank0.jsonl"
        _, *others = file.read_text().splitlines(keepends=True)
        file.write_text("".join(others))
        assert f"{len(others)} of a file that does not say whose it is" in self.note(raw, "skipped")

    def test_rounds_that_stand_there_twice(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        before = load_run(raw.directory).points
        file = raw.directory / "raw" / "s-rank0.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join([*lines, *(line for line in lines if '"round"' in line)]))
        pd.testing.assert_frame_equal(load_run(raw.directory).points, before)
        assert "20 blocks are not used (20 of rounds that stand there twice)" in self.note(raw, "blocks")
        (raw.directory / "raw" / "t-rank0.jsonl").write_text("".join(lines))
        pd.testing.assert_frame_equal(load_run(raw.directory).points, before)
        assert "40 blocks are not used (40 of rounds that stand there twice)" in self.note(raw, "blocks")

    @pytest.mark.parametrize("lost", [0, 1])
    def test_rounds_beside_which_the_file_of_a_rank_is_lost(self, raw: RawRun, lost: int) -> None:
        cell = cell_of(devices=2)
        raw.plan(cell)
        raw.session("s", [cell], ranks=2)
        (raw.directory / "raw" / f"s-rank{lost}.jsonl").unlink()
        assert "20 blocks are not used (20 of rounds that another rank lacks)" in self.note(raw, "blocks")

    @pytest.mark.parametrize(
        ("lines", "told"),
        [([9], 0), ([0], 2), ([8, 9], 4), (range(10), 20)],
        ids=["last", "first", "two", "all"],
    )
    def test_rounds_that_a_rank_lacks(self, raw: RawRun, lines: Sequence[int], told: int) -> None:
        """But for the last, within which a session may have been killed: that is the usual course."""
        cell = cell_of(devices=2)
        raw.plan(cell)
        raw.session("s", [cell], ranks=2, missing=[(1, number) for number in lines])
        words = [note for note in load_run(raw.directory).notes if "blocks" in note]
        assert words == (
            [f"{told} blocks are not used ({told} of rounds that another rank lacks)."] if told else []
        )

    def test_a_session_that_was_killed_needs_no_word(self, raw: RawRun) -> None:
        cell = cell_of(devices=2)
        raw.plan(cell)
        raw.session("s", [cell], ranks=2, ended=False, missing=[(1, number) for number in range(5, 10)])
        (note,) = load_run(raw.directory).notes
        assert note.startswith("2 of 2 points are not measured yet")

    def test_points_without_a_plan_that_were_given_up_or_begun(self, raw: RawRun) -> None:
        raw.outcome("k" * 12, "failed", "x")
        raw.session("s", [cell_of()], ended=False, null=True)
        note = self.note(raw, "not shown")
        assert note.startswith("2 measured points and 1 points that were given up are not shown")

    def test_a_point_that_stands_there_before_with_other_axes(self, raw: RawRun) -> None:
        cell = cell_of(["eager"])
        raw.plan(cell, cell)
        record = point_record(cell.points[0])
        raw.launcher("point", **{**record, "axes": {**record["axes"], "batch": 77}})
        raw.session("s", [cell])
        assert list(load_run(raw.directory).points["batch"]) == [10]
        assert "1 of points that stand there before with other axes" in self.note(raw, "skipped")

    def test_an_end_that_another_rank_than_the_first_wrote(self, raw: RawRun) -> None:
        cell = cell_of(devices=2)
        raw.plan(cell)
        writers = raw.begin("s", 2)
        raw.measure(writers, cell, ended=False)
        writers[1].write("end", cell=cell.id, stop="complete", keys=[point.key for point in cell.points])
        assert load_run(raw.directory).points.empty
        assert "1 in another file than theirs" in self.note(raw, "skipped")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"steps":100', f'"steps":{2**62}'),
            ('"prepare_s":0.5', '"prepare_s":-0.5'),
            ('"first_call_s":0.25', '"first_call_s":1e300'),
            ('"start_ns":1', '"start_ns":9'),
            ('"cores":8', f'"cores":{2**63 - 1}'),
            ('"rank":0', '"rank":-1'),
            ('"rank":0', '"rank":5'),
            ('"threads":1', '"threads":0'),
        ],
    )
    def test_impossible_numbers_become_no_point(self, raw: RawRun, old: str, new: str) -> None:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell])
        for file in (raw.directory / "raw").iterdir():
            file.write_text(file.read_text().replace(old, new))
        run = load_run(raw.directory)
        assert "raw lines were skipped" in run.notes[0]
        for row in run.points.to_dict("records"):
            assert row["status"] != "ok" or (row["step_us"] > 0 and not row["prepare_s"] < 0)


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
            {"depth": []},
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
        assert "1 raw lines were skipped (1 `point` records" in load_run(raw.directory).notes[0]

    @pytest.mark.parametrize("axis", ["depth", "model", "mode"])
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
            "process_peak_mib": value,
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
