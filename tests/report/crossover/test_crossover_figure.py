"""The drawn map: its unit, its marks, and lines that end at an edge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.figure
import pytest
from known_crossovers import table
from matplotlib.lines import Line2D
from saying import caption, drawn

from harness.crossover.values import At
from harness.report.figures.drawing.contours import draw_contour
from harness.report.figures.drawing.panel import Panel, Scale

SAVES = "what the cell's fastest mode saves"


def test_what_the_fastest_mode_saves_is_drawn_where_it_is_not_the_measure_of_the_share(
    tmp_path: Path,
) -> None:
    twice, _ = drawn(table(), tmp_path / "cpu")
    assert SAVES not in caption(twice, "crossover")
    device, _ = drawn(table(device_kind="cuda"), tmp_path / "cuda")
    assert SAVES in caption(device, "crossover")
    assert "saves less than 10 % of eager's step" in caption(device, "crossover")
    fused = table(modes=("eager", "trace", "zip"))  # the name decides how fast a mode is: synthetic.step_time
    needs = fused.assign(needs_python=fused["needs_python"].mask(fused["mode"] == "zip", "yes"))
    drawn_twice, _ = drawn(needs, tmp_path / "fused")
    assert SAVES in caption(drawn_twice, "crossover")


def test_a_cell_says_that_it_is_undecided_or_has_a_warning(tmp_path: Path) -> None:
    plain, _ = drawn(table(), tmp_path / "plain")
    assert "Starred" not in caption(plain, "crossover")
    points = table()
    points.loc[(points["batch"] == 16) & (points["mode"] == "trace"), "warnings"] = "noisy"
    starred, _ = drawn(points, tmp_path / "starred")
    assert "Starred: noisy" in caption(starred, "crossover")
    assert "Hollow" not in caption(starred, "crossover")
    points["verdict"] = points["verdict"].where(points["batch"] != 65536, "undecided")
    unsure, _ = drawn(points, tmp_path / "unsure")
    assert "Undecided (~)" in caption(unsure, "crossover")


CROSSED = At(8.0, 4.0, 3.0, 5.0, 1.0, 64.0, True)
BELOW, BEYOND = replace(CROSSED, depth=4.0, batch=0.0), replace(CROSSED, depth=16.0, batch=float("inf"))


@pytest.mark.parametrize(
    ("contour", "line"),
    [
        ([BELOW, CROSSED], [(1, 4), (4, 8)]),
        ([CROSSED, BEYOND], [(4, 8), (64, 16)]),
        ([BELOW, CROSSED, BEYOND], [(1, 4), (4, 8), (64, 16)]),
        ([BELOW, BEYOND], None),
    ],
)
def test_a_line_does_not_end_in_mid_air(contour: list[At], line: list[tuple[float, float]] | None) -> None:
    panel = Panel(matplotlib.figure.Figure(), 0, 0, 6, 2, True, True, 0.5)
    panel.x, panel.y = Scale(1, 64, logarithmic=True), Scale(4, 16, logarithmic=True)
    draw_contour(panel, contour)
    drawn_lines = panel.figure.findobj(lambda artist: isinstance(artist, Line2D))
    (found,) = [[*zip(*each.get_data(), strict=True)] for each in drawn_lines] or [[]]
    across, up = zip(*line, strict=True) if line else ((), ())
    ends = zip(panel.across(across), panel.up(up), strict=True)
    assert found == [pytest.approx(end) for end in ends]
