"""points.csv holds what was measured and nothing a spreadsheet would execute."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from synthetic import failed, make_points

from harness.core.files.made import Made
from harness.core.schema import COLUMNS
from harness.report.csvfile import write_csv


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, dtype=str)


def test_columns_are_those_of_the_schema_in_their_order(tmp_path: Path) -> None:
    write_csv(make_points(), Made(tmp_path))
    assert list(read(tmp_path / "points.csv").columns) == list(COLUMNS)


def test_several_runs_have_a_leading_column_run(tmp_path: Path) -> None:
    points = make_points().assign(run="a")
    write_csv(points, Made(tmp_path))
    assert list(read(tmp_path / "points.csv").columns) == ["run", *COLUMNS]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_would_be_a_formula_is_defused(tmp_path: Path, start: str) -> None:
    points = make_points(change=lambda row: failed(error=f"{start}cmd|' /C calc'!A0"))
    write_csv(points, Made(tmp_path))
    assert set(read(tmp_path / "points.csv")["error"]) == {f"'{start}cmd|' /C calc'!A0".replace("\r", "\n")}


def test_numbers_stay_numbers_even_where_negative(tmp_path: Path) -> None:
    points = make_points(change=lambda row: {"dispatch_share": -0.0123456789})
    write_csv(points, Made(tmp_path))
    assert set(read(tmp_path / "points.csv")["dispatch_share"]) == {"-0.0123457"}


def test_values_come_back_as_they_were_written(tmp_path: Path) -> None:
    points = make_points(change=lambda row: {"device_name": 'A "quoted", name\nin two lines'})
    write_csv(points, Made(tmp_path))
    back = pd.read_csv(tmp_path / "points.csv", keep_default_na=False, na_values={"step_us": [""]})
    assert back["device_name"].tolist() == points["device_name"].tolist()
    assert back["batch"].tolist() == points["batch"].tolist()
    assert back["step_us"].tolist() == pytest.approx(points["step_us"].tolist(), rel=1e-5)


def test_a_carriage_return_does_not_begin_a_new_row(tmp_path: Path) -> None:
    write_csv(make_points(change=lambda row: failed(error="bad\r=1+1,\r\n=2")), Made(tmp_path))
    assert set(read(tmp_path / "points.csv")["error"]) == {"bad\n=1+1,\n=2"}


def test_missing_values_are_empty_cells(tmp_path: Path) -> None:
    write_csv(make_points(change=lambda row: failed()), Made(tmp_path))
    table = read(tmp_path / "points.csv")
    assert set(table["step_us"]) == {""}
    assert set(table["rounds"]) == {""}


def test_a_table_without_rows_still_has_its_header(tmp_path: Path) -> None:
    write_csv(make_points()[:0], Made(tmp_path))
    assert (tmp_path / "points.csv").read_text().strip() == ",".join(COLUMNS)


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(make_points(), Made(tmp_path))
    old = path.read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_csv(make_points()[:1], Made(tmp_path))
    assert path.read_text() == old
    assert not [each for each in tmp_path.iterdir() if each.name.endswith(".partial")]
