"""A mode that a plugin brings is what it says of itself, in every finding, figure and cost, whatever its name is.

It is twice as fast as eager and needs Python, so that on a CPU it proves nothing of what Python costs.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of
from synthetic import make_points

from harness.analysis.run import load_run
from harness.core.schema import NO, YES
from harness.costs.step import fit
from harness.modes import Mode
from harness.modes import registry as modes
from harness.report.figures.kinds import dispatch_share
from harness.report.findings import findings
from harness.report.findings.saturation import saturated
from harness.report.table.attribution import attributed
from harness.report.table.tidy import tidy


def with_plugin(name: str = "mine", needs_python: str = YES, holds_lock: str = YES) -> pd.DataFrame:
    """Eager and the plugin's mode."""
    said = {"needs_python": needs_python, "holds_lock": holds_lock}
    return make_points(
        modes=("eager", name), change=lambda row: said if row["mode"] == name else None, batches=(1, 64)
    )


def test_a_mode_that_needs_python_answers_no_question_of_python() -> None:
    assert "no mode without Python was measured beside it" in findings(with_plugin())[0]
    assert "Yes" in findings(with_plugin(needs_python=NO))[0]


@pytest.mark.parametrize(("needs_python", "drawn"), [(YES, False), (NO, True)])
def test_its_gain_is_drawn_as_the_share_of_dispatch_only_where_it_is_free_of_python(
    needs_python: str, drawn: bool
) -> None:
    assert dispatch_share.drawable(tidy(with_plugin(needs_python=needs_python))) is drawn


def test_by_the_name_of_a_mode_without_python_it_still_splits_no_step() -> None:
    cell = tidy(with_plugin("script")).query("depth == 2 and batch == 1")
    assert attributed(cell).split_by == ""
    free = tidy(with_plugin("script", needs_python=NO)).query("depth == 2 and batch == 1")
    assert attributed(free).split_by == "script"


@pytest.mark.parametrize(
    ("holds_lock", "limit"), [(YES, "one interpreter is the limit"), (NO, "cannot be told apart")]
)
def test_its_threads_wait_for_the_interpreter_only_if_it_holds_the_lock(holds_lock: str, limit: str) -> None:
    row = tidy(with_plugin(holds_lock=holds_lock)).query("mode == 'mine'").iloc[0].to_dict()
    row |= {"controller": "threads", "devices": 8, "cores": 16, "gil": "yes", "host_cpu_share": 1.2}
    assert limit in saturated({**row, "waits_s": 40_000.0, "preemptions_s": 10.0})


@pytest.mark.parametrize(("holds_lock", "in_turn"), [(YES, True), (NO, False)])
def test_its_cost_under_threads_is_that_of_what_it_holds(holds_lock: str, in_turn: bool) -> None:
    points = with_plugin(holds_lock=holds_lock).assign(gil="yes", issue_us=5.0)
    costs = {cost.mode: cost for cost in fit(points).costs}
    assert costs["mine"].locked is in_turn


@pytest.mark.parametrize(("needs_python", "holds_lock"), [(True, False), (False, True)])
def test_the_points_own_record_is_what_stands_in_the_table(
    needs_python: bool, holds_lock: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, lock = needs_python, holds_lock

    class Mine(Mode):
        name, needs_python, holds_lock = "mine", python, lock

        def prepare(self, model: object, example: object) -> object:  # type: ignore[override]
            raise NotImplementedError

    monkeypatch.setitem(modes.MODES, "mine", Mine())
    raw, cell = RawRun(tmp_path / "run"), cell_of(["eager", "mine"])
    raw.plan(cell)
    monkeypatch.delitem(modes.MODES, "mine")  # where the report is made, no plugin is loaded
    raw.session("s", [cell], step_ns=lambda mode, *_: {"eager": 9000, "mine": 3000}[mode])
    points = load_run(raw.directory).points.set_index("mode")
    told = {True: YES, False: NO}
    assert tuple(points.loc["mine", ["needs_python", "holds_lock"]]) == (told[python], told[lock])
    assert tuple(points.loc["eager", ["needs_python", "holds_lock"]]) == (YES, YES)
    assert points["dispatch_share"].isna().all() == needs_python


def test_records_of_earlier_versions_hold_the_lock_where_they_need_python(tmp_path: Path) -> None:
    raw, cell = RawRun(tmp_path / "run"), cell_of(["eager", "script"])
    raw.plan(cell)
    launcher = raw.directory / "raw/launcher.jsonl"
    launcher.write_text(
        launcher.read_text().replace(',"holds_lock":true', "").replace(',"holds_lock":false', "")
    )
    assert "holds_lock" not in launcher.read_text()
    raw.session("s", [cell])
    assert dict(load_run(raw.directory).points.set_index("mode")["holds_lock"]) == {
        "eager": YES,
        "script": NO,
    }
