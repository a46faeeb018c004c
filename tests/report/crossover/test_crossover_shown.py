"""The map in a report: a figure, a sentence, crossover.csv; absent where there is none to show."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from known_crossovers import table
from saying import caption, drawn, kinds, said
from synthetic import make_points, make_run

from harness.crossover.find import crossings
from harness.crossover.predicted import predicted_crossovers, profiles
from harness.crossover.surface import Surface
from harness.crossover.values import KINDS, THRESHOLDS, Crossover, Grid
from harness.report.findings import findings
from harness.report.write import write_report


def test_the_map_is_drawn_with_its_sentence_and_what_stands_between_cells(tmp_path: Path) -> None:
    figures, _ = drawn(table(noise=0.01), tmp_path)
    told = caption(figures, "crossover")
    assert (
        "the interpreter stops mattering (less than 10 % of the step saved without Python) between batch"
        in told
    )
    assert "Between the cells: the cost model's formula" in told
    picture = next(figure for figure in figures if figure.kind == "crossover")
    assert ElementTree.fromstring(picture.svg.read_text()).tag.endswith("svg")


@pytest.mark.parametrize("options", [{"depths": (4,)}, {"batches": (16,)}, {"modes": ("eager",)}])
def test_fewer_than_two_by_two_cells_are_no_map(tmp_path: Path, options: dict[str, Any]) -> None:
    assert "crossover" not in kinds(drawn(table(**options), tmp_path)[0])


def test_of_an_emulated_device_the_map_is_marked(tmp_path: Path) -> None:
    figures, _ = drawn(table(device_kind="emulated", device_name="Emulated thing"), tmp_path)
    assert next(figure for figure in figures if figure.kind == "crossover").emulated


def test_a_model_without_depth_has_no_map_of_depths(tmp_path: Path) -> None:
    figures, _ = drawn(table(depths=(4,)).assign(depth=pd.NA, width=pd.NA, model="convnet"), tmp_path)
    assert "crossover" not in kinds(figures)
    assert "predicted" not in {figure.kind for figure in figures}


def test_predicted_devices_are_a_figure_a_width_that_says_predicted(tmp_path: Path) -> None:
    run = make_run(table(widths=(64, 512), batches=(1, 16, 256, 4096)))
    figures, _ = drawn(run.points, tmp_path, predicted={"": predicted_crossovers(run, profiles())})
    pictures = [figure for figure in figures if figure.kind == "crossover_devices"]
    assert [picture.label for picture in pictures] == ["width 64", "width 512"]
    assert len({picture.svg for picture in pictures}) == 2
    for picture in pictures:
        assert picture.title.startswith("Predicted, not measured") and picture.title.endswith(picture.label)
        assert picture.caption.startswith("Predicted, not measured")
        assert (
            "another device's constants and errors stand for them (NVIDIA H100 80GB HBM3)" in picture.caption
        )
        assert "Not known for" in picture.caption
    none, _ = drawn(run.points, tmp_path / "none", predicted={"": []})
    assert "crossover_devices" not in kinds(none)


def test_of_many_workloads_and_widths_some_are_predicted_and_the_rest_named(tmp_path: Path) -> None:
    run = make_run(make_points(widths=(64, 512), workloads=("forward", "train"), batches=(1, 16, 256, 4096)))
    predicted = {"": predicted_crossovers(run, profiles())}
    figures, omitted = drawn(run.points, tmp_path, predicted=predicted)
    assert [figure.kind for figure in figures].count("crossover_devices") == 3
    assert any("crossover_devices for 1 more slice (train, width 512)" in text for text in omitted)
    every, omitted = drawn(run.points, tmp_path / "all", predicted=predicted, all_figures=True)
    assert [figure.kind for figure in every].count("crossover_devices") == 4 and not omitted


def test_a_sentence_says_from_which_batch_on_with_its_interval() -> None:
    (text,) = said(findings(table(noise=0.005)), "the interpreter stops mattering")
    assert text.startswith(
        "On 1 device, at depth 64 the interpreter stops mattering (less than 10 % of the step saved without Python) "
        "between batch "
    )
    assert "[" in text
    (emulated,) = said(findings(table(device_kind="emulated")), "the interpreter stops mattering")
    assert emulated.startswith("Emulated, not measured: ")


def test_nothing_is_said_where_noise_hides_differences_or_all_was_measured_once() -> None:
    noisy = table().assign(null_ratio=1.2, null_low=1.1, null_high=1.3)
    assert not said(findings(noisy), "the interpreter stops mattering")
    assert not said(findings(table(intervals=False)), "the interpreter stops mattering")


def test_a_report_has_the_table_of_crossovers_beside_its_points(tmp_path: Path) -> None:
    write_report([make_run(table(batches=(1, 16, 256, 4096)))], tmp_path)
    made = pd.read_csv(tmp_path / "crossover.csv")
    assert set(made["measured"]) == {"measured", "predicted"}
    crossed = made[
        (made["side"] == "crossed") & (made["measured"] == "measured") & (made["threshold"] == 0.1)
    ]
    assert set(crossed["depth"]) == {4, 16, 64}
    assert (crossed["batch_low"] <= crossed["batch"]).all()
    assert made.loc[made["side"] != "crossed", "batch"].map(math.isnan).all()


def test_the_slider_has_what_the_table_has_and_nothing_is_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[float, ...]]] = []

    def counted(grid: Grid, thresholds: Sequence[float], found: Surface | None = None) -> list[Crossover]:
        asked.append((grid.kind, tuple(thresholds)))
        return crossings(grid, thresholds, found)

    monkeypatch.setattr("harness.crossover.data.crossings", counted)
    html = write_report([make_run(table(batches=(1, 16, 256, 4096)))], tmp_path).html
    assert sorted(asked) == [(kind, THRESHOLDS) for kind in sorted(KINDS)]
    page = json.loads(html.read_text().split('id="crossover">')[1].split("</script>")[0])
    made = pd.read_csv(tmp_path / "crossover.csv")
    for measured, maps in (("measured", page["maps"]), ("predicted", page["predicted"])):
        own = made[made["measured"] == measured]
        shown = sorted(
            (one["kind"], one["of"]["device_name"], each["threshold"], at[0], at[1] or 0)
            for one in maps
            for each in one["contours"]
            for at in each["at"]
            if at[-1]
        )
        columns = own[["kind", "device", "threshold", "depth", "batch"]].fillna({"batch": 0})
        written = sorted(columns.itertuples(index=False, name=None))
        assert [row[:4] for row in shown] == [row[:4] for row in written]
        assert [row[4] for row in shown] == pytest.approx([row[4] for row in written], rel=1e-5)


def test_a_run_without_a_map_has_a_table_without_rows(tmp_path: Path) -> None:
    write_report([make_run(make_points(batches=(1,), depths=(2,)))], tmp_path)
    assert pd.read_csv(tmp_path / "crossover.csv").empty


def test_a_name_that_a_spreadsheet_would_execute_is_made_safe(tmp_path: Path) -> None:
    write_report([make_run(table(device_name="=1+1"))], tmp_path)
    text = (tmp_path / "crossover.csv").read_text()
    assert ",'=1+1," in text
    assert ",=1+1," not in text
