"""Records that nobody of ours has written break nothing, and get into no figure."""

from __future__ import annotations

import json
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
from harness.report import write_csv
from harness.sweep.announce import point_record


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
