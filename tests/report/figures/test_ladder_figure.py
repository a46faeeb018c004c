"""The ladder's figures, and what their captions say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ladders import ladder_points
from saying import caption, drawn, kinds, said
from synthetic import failed, make_points, make_run

from harness.report.findings import findings
from harness.report.write import write_report

ONE: dict[str, Any] = {"depths": (64,), "batches": (1,)}


def test_an_emulated_ladder_gets_its_figures(tmp_path: Path) -> None:
    figures, omitted = drawn(ladder_points(), tmp_path)
    assert {"ladder", "dispatch_share", "feedable", "speedup"} <= kinds(figures)
    assert omitted == []
    assert "measured on 1 device under processes" in caption(figures, "ladder")
    assert "the interpreter and its module calls" in caption(figures, "ladder")
    assert "during which the device waits" in caption(figures, "dispatch_share")


def test_on_cpu_captions_say_what_is_compared_with_what(tmp_path: Path) -> None:
    figures, _ = drawn(ladder_points("cpu"), tmp_path)
    assert "feedable" not in kinds(figures)
    assert "host and device are the same cores" in caption(figures, "ladder")
    assert "Modes without a bar say why." in caption(figures, "ladder")
    for kind in ("speedup", "dispatch_share"):
        absent = "no cell of theirs was measured: compile_graphs (unsupported) and cudagraph (unsupported)."
        assert absent in caption(figures, kind)
    assert "the fastest of script, trace, frozen, aoti and native, which has 0 %" in caption(
        figures, "dispatch_share"
    )


def test_one_cell_of_a_ladder_is_one_figure_and_not_two(tmp_path: Path) -> None:
    figures, _ = drawn(ladder_points(**ONE), tmp_path)
    assert kinds(figures) == {"ladder"}


def test_a_default_sweep_has_no_ladder(tmp_path: Path) -> None:
    figures, _ = drawn(make_points(depths=(4,), batches=(1, 8)), tmp_path)
    assert "ladder" not in kinds(figures)
    assert not said(findings(make_points()), "best first")


@pytest.mark.parametrize(
    ("without", "says"),
    [
        (("native",), "native was not measured here; script stands for it"),
        (("native", "script", "trace"), "The host's time is not split"),
    ],
)
def test_a_missing_native_is_said_in_the_caption(tmp_path: Path, without: tuple[str, ...], says: str) -> None:
    points = ladder_points(
        **ONE, change=lambda row: failed("unsupported", "no") if row["mode"] in without else None
    )
    figures, _ = drawn(points, tmp_path)
    assert says in caption(figures, "ladder")


def test_cells_that_are_split_by_another_mode_are_not_drawn_beside(tmp_path: Path) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        return failed("failed", "lost") if row["mode"] == "native" and row["batch"] == 1 else None

    figures, _ = drawn(ladder_points(depths=(64,), batches=(1, 64), change=change), tmp_path)
    assert "Drawn: 1 of 2 cells" in caption(figures, "ladder")


def test_the_node_is_a_line_over_what_one_thread_can_feed(tmp_path: Path) -> None:
    figures, _ = drawn(ladder_points(modes=("eager", "native")), tmp_path, installed={"": 8})
    assert "above 8 it could feed all 8 devices of the node" in caption(figures, "feedable")


def test_a_full_launch_queue_makes_what_can_be_fed_a_lower_bound(tmp_path: Path) -> None:
    points = ladder_points(
        modes=("eager", "native"),
        change=lambda row: {"warnings": "back_pressure"} if row["depth"] == 64 else None,
    )
    figures, _ = drawn(points, tmp_path)
    assert "Hollow: 6 points with back_pressure" in caption(figures, "feedable")
    assert said(findings(points), "to at least 1.94 (depth 64, batch 4096) devices with eager")
    assert "use a shallower model" in write_report([make_run(points)], tmp_path).html.read_text()
