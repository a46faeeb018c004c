"""What samplers saw, drawn where it is there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sampled_points import ONE_CELL, sampled_points, timeline
from saying import caption, drawn, kinds
from synthetic import make_points, make_run

from harness.analysis.sampled.over_time import Timeline
from harness.core.files.made import Made
from harness.report.figures import draw
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.kinds.used.timeline import MOST_SPANS, drawable
from harness.report.figures.kinds.used.timeline import draw as draw_timeline
from harness.report.figures.save import save
from harness.report.table.tidy import tidy
from harness.report.write import write_report


def test_they_are_drawn_of_what_was_sampled_and_only_then(tmp_path: Path) -> None:
    new = {"utilisation", "energy", "timeline"}
    figures, _ = drawn(
        sampled_points(depths=(4,), batches=(1, 8)), tmp_path / "with", timelines={"": timeline()}
    )
    assert new <= kinds(figures)
    figures, _ = drawn(
        make_points(device_kind="cuda", **ONE_CELL), tmp_path / "without", timelines={"": Timeline()}
    )
    assert not new & kinds(figures)


def test_a_single_cell_has_them_too(tmp_path: Path) -> None:
    figures, _ = drawn(sampled_points(**ONE_CELL), tmp_path)
    assert kinds(figures) == {"modes", "utilisation", "energy"}


def test_a_mode_that_was_not_sampled_harms_none(tmp_path: Path) -> None:
    points = sampled_points(**ONE_CELL)
    points.loc[points["mode"] == "trace", ["util_mean_pct", "energy_mj_per_sample"]] = np.nan
    assert {"utilisation", "energy"} <= kinds(drawn(points, tmp_path)[0])


def test_the_caption_counts_where_utilisation_misleads(tmp_path: Path) -> None:
    assert "10 points:" not in caption(drawn(sampled_points(**ONE_CELL), tmp_path / "a")[0], "utilisation")
    text = caption(drawn(sampled_points(98.0, **ONE_CELL), tmp_path / "b")[0], "utilisation")
    assert "Further apart than 10 points: 3 of 3 points" in text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (timeline(), "each of the cells, light and dark in turn (1 batch 0; 2 batch 1; 3 batch 2)"),
        (timeline(devices=12), "Drawn: the first 8 devices."),
        (
            timeline(cells=MOST_SPANS + 10, sessions=2),
            "each of the sessions, light and dark in turn (1 s0; 2 s1)",
        ),
        (timeline(cells=40), "the time of each of 40 cells"),
        (dataclasses.replace(timeline(), spans=Timeline().spans), "nothing, since no cell was measured"),
        (timeline(util_pct=np.nan), "2 devices"),
        (timeline(power_w=0.0), "2 devices"),
    ],
    ids=["cells", "devices", "sessions", "many", "none", "power-alone", "no-power"],
)
def test_a_timeline_says_what_is_shaded(tmp_path: Path, line: Timeline, says: str) -> None:
    assert drawable(line)
    figure, text = draw_timeline(line, Headline("title", "subtitle"))
    assert says in text
    save(figure, tmp_path, "timeline")


def test_every_run_has_its_own_timeline(tmp_path: Path) -> None:
    runs = [
        dataclasses.replace(make_run(sampled_points(**ONE_CELL), label=label), timeline=timeline())
        for label in ("before", "after")
    ]
    paths = write_report(runs, tmp_path)
    titles = [figure.title for figure in paths.figures if figure.kind == "timeline"]
    assert titles == [f"Utilisation and power over time: run {label}" for label in ("before", "after")]
    assert len({figure.svg for figure in paths.figures}) == len(paths.figures)


def test_emulated_devices_are_marked(tmp_path: Path) -> None:
    table = tidy(sampled_points(device_kind="emulated", **ONE_CELL))
    figures = draw(table, Made(tmp_path), timelines={"": timeline()}).figures
    assert all(figure.emulated for figure in figures)
