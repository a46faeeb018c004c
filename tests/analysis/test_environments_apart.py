"""What was measured under several environments: ratios within rounds, and no figure that mixes them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of

from harness.analysis.run import load_run
from harness.plan.points import Cell
from harness.records.lines import Writer
from harness.records.naming import null_key
from harness.report.table.keytable import key_table
from harness.report.table.slices import split, varying
from harness.report.table.tidy import tidy

# Nanoseconds of a step.
STEP_NS = {"eager": 4000, "script": 2000, "eager in mine": 2000, "script in mine": 1600}


def both() -> Cell:
    usual = cell_of()
    return Cell((*usual.points, *(replace(point, environment="mine") for point in usual.points)))


def measured(raw: RawRun, cell: Cell, facts: dict[str, dict[str, str]] | None = None) -> pd.DataFrame:
    raw.plan(cell)
    (writer,) = raw.begin("s")
    for name, said in (facts or {}).items():
        writer.write("environment", environment=name, facts=said)
    rounds(raw, writer, cell)
    return load_run(raw.directory).points.set_index(["environment", "mode"], drop=False)


def rounds(raw: RawRun, writer: Writer, cell: Cell) -> None:
    """The machine becomes twice as slow in the middle: ratios within rounds do not."""
    writer.write("cell", cell=cell.id, keys={p.name: p.key for p in cell.points})
    for number in range(10):
        slow = 1 if number < 5 else 2
        blocks = []
        steps_ns = [(p.key, STEP_NS[p.name]) for p in cell.points]
        steps_ns.append((null_key(cell.points[0].key), 4400))
        for key, step_ns in steps_ns:
            end = raw.now_ns + 100 * slow * step_ns
            blocks.append({"key": key, "steps": 100, "start_ns": raw.now_ns, "end_ns": end})
            raw.now_ns = end + 1000
        writer.write("round", cell=cell.id, round=number, blocks=blocks)
    writer.write("end", cell=cell.id, stop="complete", keys=[p.key for p in cell.points], share=1.0)
    writer.close()


def test_a_speed_up_over_eager_is_of_one_environment(raw: RawRun) -> None:
    speed = measured(raw, both())["speedup_vs_eager"]
    assert speed["here", "script"] == pytest.approx(2.0)
    assert speed["mine", "eager"] == pytest.approx(1.0)
    assert speed["mine", "script"] == pytest.approx(1.25)


def test_what_an_environment_gains_is_of_the_same_mode_here(raw: RawRun) -> None:
    gain = measured(raw, both())["speedup_vs_here"]
    assert gain["mine", "eager"] == pytest.approx(2.0)
    assert gain["mine", "script"] == pytest.approx(1.25)
    assert gain["here"].isna().all()


def test_the_null_is_that_of_the_environment_whose_key_it_has(raw: RawRun) -> None:
    null = measured(raw, both())["null_ratio"]
    assert null["here", "eager"] == pytest.approx(4000 / 4400)
    assert null["mine"].isna().all()


def test_the_floor_of_python_is_of_the_same_environment(raw: RawRun) -> None:
    share = measured(raw, both())["dispatch_share"]
    assert share["here", "eager"] == pytest.approx(0.5)
    assert share["mine", "eager"] == pytest.approx(0.2)


def test_a_cell_without_here_has_no_gain(raw: RawRun) -> None:
    points = measured(raw, Cell(both().points[2:]))
    assert points["speedup_vs_here"].isna().all()
    assert points["speedup_vs_eager"]["mine", "script"] == pytest.approx(1.25)


def test_no_slice_has_two_environments_and_its_name_says_which(raw: RawRun) -> None:
    table = tidy(measured(raw, both()).reset_index(drop=True))
    parts = split(table)
    assert [part.rows["environment"].nunique() for part in parts] == [1, 1]
    assert "environment" in varying(table)


def test_the_key_table_has_a_column_for_them_and_none_where_there_is_here_alone(raw: RawRun) -> None:
    points = measured(raw, both()).reset_index(drop=True)
    headers = key_table(tidy(points)).headers
    assert "environment" in headers and "x here" in headers
    alone = key_table(tidy(points[points["environment"] == "here"]))
    assert not {"environment", "x here"} & set(alone.headers) and "environment" not in alone.constant


def notes(raw: RawRun, mine: dict[str, str]) -> str:
    here = {"python": "3.12.1", "framework": "2.13.0", "threads": "1", "mkl": "2024.2"}
    measured(raw, both(), {"here": here, "mine": {**here, **mine}})
    return "\n".join(load_run(raw.directory).notes)


def test_the_run_says_what_they_were(raw: RawRun) -> None:
    said = notes(raw, {"python": "3.11.2"})
    assert "here: Python 3.12.1, 2.13.0; mine: Python 3.11.2, 2.13.0" in said
    assert "not set up alike" not in said and "builds differ" not in said


def test_what_else_differs_is_said(raw: RawRun) -> None:
    said = notes(raw, {"threads": "2", "mkl": "2023.1", "variables": "OMP_NUM_THREADS=2"})
    assert "not set up alike: threads (1, 2); variables (none, OMP_NUM_THREADS=2)" in said
    assert "builds differ in: mkl (2024.2, 2023.1)" in said
