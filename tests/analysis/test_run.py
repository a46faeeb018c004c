"""A run directory as a table: its columns, its progress, and what reading it takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of, key_of, seconds_of
from running import python_path

from harness.analysis.progress import session_progress
from harness.analysis.run import load_run
from harness.core.files.made import Made
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, TEXT_COLUMNS
from harness.modes import Mode
from harness.modes import registry as modes
from harness.records.raw import read_launcher
from harness.report.csvfile import write_csv


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

        monkeypatch.setitem(modes.MODES, "own", Own())
        cell = cell_of(["eager", "own"])
        raw.plan(cell)
        raw.session("s", [cell])
        within = load_run(raw.directory).points
        monkeypatch.delitem(modes.MODES, "own")
        pd.testing.assert_frame_equal(load_run(raw.directory).points, within)
        assert within["dispatch_share"].notna().all()

    def test_the_label_names_sweep_and_folder(self, raw: RawRun) -> None:
        (raw.directory / "config.yaml").write_text("name: smoke\n")
        assert load_run(raw.directory).label == "smoke/run"


class TestProgress:
    def test_planned_points_are_those_written_down(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        assert {point.key for point in read_launcher(raw.directory).points} == {
            point.key for point in cell.points
        }

    def test_how_far_a_session_came(self, raw: RawRun) -> None:
        done, broken, unseen = cell_of(batch=1), cell_of(batch=2), cell_of(batch=3)
        writers = raw.begin("s-try1", 2)
        raw.measure(writers, done)
        raw.measure(writers, broken, ended=False, dropped={"script": (1, "oom", "no memory")})
        raw.session("s-try10", [unseen])
        progress = session_progress(raw.directory, "s-try1")
        assert progress.begun == {done.id, broken.id}
        assert progress.ended == {done.id: 1.0}
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
