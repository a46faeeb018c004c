"""The ladder's figures and sentences: its order, where a rung does not help, and where eager's time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ladders import ladder_points
from synthetic import failed, make_points, make_run
from test_figures import drawn, kinds
from test_findings import said, speedup

from harness.report import findings, write_report

ONE: dict[str, Any] = {"depths": (64,), "batches": (1,)}


def caption(figures: list[Any], kind: str) -> str:
    return str(next(figure.caption for figure in figures if figure.kind == kind))


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


def test_the_order_of_rungs_is_told_with_intervals_and_with_those_that_do_not_help() -> None:
    intervals = {
        "symbolic": speedup(1.01, 0.98, 1.04),
        "script": speedup(3.1, 3.0, 3.2),
        "trace": speedup(3.15, 3.05, 3.25),
        "compile": speedup(2.0, 1.9, 2.1),
        "aoti": speedup(0.9, 0.85, 0.95),
        "native": speedup(3.4, 3.3, 3.5),
    }
    points = ladder_points(
        "cpu", **ONE, modes=("eager", *intervals), change=lambda row: intervals.get(row["mode"])
    )
    (text,) = said(findings(points), "best first")
    assert text == (
        "Speed-ups over eager at depth 64, batch 1 on 1 device, on CPU, best first: native 3.40x [3.30, 3.50], "
        "trace 3.15x [3.05, 3.25] (no gain over script shown), script 3.10x [3.00, 3.20], compile 2.00x "
        "[1.90, 2.10] (slower than trace), symbolic 1.01x [0.980, 1.04] (no gain over eager shown) and aoti "
        "0.900x [0.850, 0.950] (slower than eager)."
    )


def test_eagers_time_is_told_in_its_three_parts() -> None:
    times = {"eager": 640.0, "native": 256.0}

    def change(row: dict[str, Any]) -> dict[str, Any]:
        row |= {"step_us": times[row["mode"]], "device_us": 64.0}
        return speedup(2.5, 2.0, 4.0) if row["mode"] == "native" else {}

    (text,) = said(findings(ladder_points("cuda", **ONE, modes=times, change=change)), "per layer")
    assert text == (
        "At depth 64, batch 1 on 1 device, of eager's 10.0 µs per layer 6.00 µs (60 % [50 %, 75 %]) are "
        "interpreter and module calls (beyond native), 3.00 µs (30 %) framework dispatch and 1.00 µs (10 %) device."
    )


def test_on_cpu_arithmetic_and_dispatch_are_one_part() -> None:
    (text,) = said(findings(ladder_points("cpu", **ONE)), "per layer")
    assert text.endswith("and 3.65 µs (36 %) what native needs too (dispatch, arithmetic).")


def test_no_part_is_given_to_the_interpreter_from_an_interval_that_includes_none() -> None:
    points = ladder_points(
        "cpu", **ONE, change=lambda row: speedup(1.1, 0.9, 1.3) if row["mode"] == "native" else None
    )
    assert said(findings(points), "no part of it is shown to be the interpreter's")


def test_the_ladder_is_told_for_the_fewest_devices() -> None:
    import pandas as pd

    points = pd.concat([ladder_points(**ONE), ladder_points(**ONE).assign(devices=8)], ignore_index=True)
    assert len(said(findings(points), "best first")) == 1
    assert said(findings(points), "best first", "on 1 device")


def test_a_gain_of_fused_code_with_python_does_not_prove_that_python_is_the_bottleneck() -> None:
    points = ladder_points(
        "cpu",
        **ONE,
        modes=("eager", "script", "compile"),
        change=lambda row: speedup(2.0, 1.9, 2.1) if row["mode"] == "compile" else speedup(1.0, 0.9, 1.1),
    )
    assert said(findings(points), "Is Python the bottleneck here? No")
