"""Figures are drawn where there is something to compare, and what is not drawn is said."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from saying import caption, drawn, kinds
from synthetic import failed, make_points, make_run

from harness.report.figures.choice import MOST_SLICES
from harness.report.figures.drawing.ticks import log_ticks, spaced
from harness.report.table.slices import chosen, split
from harness.report.table.tidy import tidy
from harness.report.write import write_report

ALL_KINDS = {"step_time", "speedup", "crossover", "dispatch_share", "layer_time", "scaling"}


def test_every_kind_is_written_as_svg_and_png(tmp_path: Path) -> None:
    figures, _ = drawn(make_points(devices=(1, 2), depths=(2, 16), batches=(1, 64)), tmp_path)
    bars, _ = drawn(make_points(depths=(4,), batches=(8,)), tmp_path)
    assert kinds(figures) == ALL_KINDS
    assert kinds(bars) == {"modes"}
    for figure in [*figures, *bars]:
        assert ElementTree.fromstring(figure.svg.read_text()).tag.endswith("svg")
        assert figure.png.read_bytes().startswith(b"\x89PNG")
        assert figure.caption.endswith(".")
        assert figure.title


@pytest.mark.parametrize(
    ("axes", "missing"),
    [
        ({"batches": (1,)}, {"step_time", "crossover"}),
        ({"depths": (2,)}, {"layer_time", "crossover"}),
        ({"devices": (1,)}, {"scaling"}),
        ({"modes": ("eager",)}, {"speedup", "dispatch_share", "crossover"}),
    ],
)
def test_a_kind_with_a_single_value_on_its_axis_is_not_drawn(
    tmp_path: Path, axes: dict[str, Any], missing: set[str]
) -> None:
    sizes: dict[str, Any] = {"depths": (2, 16), "batches": (1, 64), "devices": (1, 2), **axes}
    figures, _ = drawn(make_points(**sizes), tmp_path)
    assert kinds(figures) == ALL_KINDS - missing


def test_one_mode_in_one_cell_gives_no_figure(tmp_path: Path) -> None:
    figures, _ = drawn(make_points(depths=(4,), batches=(8,), modes=("eager",)), tmp_path)
    assert figures == []


def test_no_figure_comes_of_failures(tmp_path: Path) -> None:
    figures, _ = drawn(make_points(devices=(1, 2), change=lambda row: failed()), tmp_path)
    assert figures == []


def test_values_missing_here_and_there_do_no_harm(tmp_path: Path) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        if row["batch"] == 1 and row["mode"] == "eager":
            return failed("oom")
        if row["batch"] == 64:
            return {
                "step_us_low": float("nan"),
                "speedup_low": float("nan"),
                "scaling_efficiency": float("nan"),
            }
        return {"step_us_low": -1.0, "throughput_samples_s": float("inf")} if row["depth"] == 2 else None

    figures, _ = drawn(make_points(devices=(1, 2), change=change), tmp_path)
    assert kinds(figures) == ALL_KINDS


def test_beyond_the_cap_what_is_left_out_is_named(tmp_path: Path) -> None:
    points = make_points(
        depths=(2, 4), batches=(1, 8), devices=(1, 2, 4), widths=(64, 512), modes=("eager", "script")
    )
    figures, omitted = drawn(points, tmp_path)
    for kind in ALL_KINDS:
        assert 1 <= sum(figure.kind == kind for figure in figures) <= MOST_SLICES
    text = next(text for text in omitted if "step_time" in text)
    assert text.startswith("Not drawn: step_time for 4 more slices (")
    assert "2 devices, width 64" in text
    assert "`harness report RUN --all-figures` draws them." in text


def test_all_figures_draws_all_and_leaves_nothing_out(tmp_path: Path) -> None:
    points = make_points(depths=(2, 4), batches=(1, 8), devices=(1, 2, 4, 8), modes=("eager", "script"))
    figures, omitted = drawn(points, tmp_path, all_figures=True)
    assert sum(figure.kind == "step_time" for figure in figures) == 4
    assert len({figure.svg for figure in figures}) == len(figures)
    assert omitted == []


def test_the_chosen_slices_reach_both_ends_of_the_axes() -> None:
    slices = split(tidy(make_points(devices=(1, 2, 4, 8), widths=(32, 64, 128))))
    values = [part.values for part in chosen(slices, 3)]
    assert {1, 8} <= {value["devices"] for value in values}
    assert {32, 128} <= {value["width"] for value in values}


def test_emulated_and_measured_points_never_share_a_figure(tmp_path: Path) -> None:
    emulated = make_points(device_kind="emulated", device_name="same name")
    points = pd.concat([make_points(device_name="same name"), emulated], ignore_index=True)
    figures, _ = drawn(points, tmp_path)
    for kind in ("step_time", "speedup", "dispatch_share", "layer_time"):
        assert sorted(figure.emulated for figure in figures if figure.kind == kind) == [False, True]
    for part in split(tidy(points), {"devices"}):
        assert part.rows["device_kind"].nunique() == 1


def test_a_warning_makes_a_device_emulated_too(tmp_path: Path) -> None:
    figures, _ = drawn(make_points(device_kind="cuda", change=lambda row: {"warnings": "emulated"}), tmp_path)
    assert all(figure.emulated for figure in figures)


def test_marked_points_are_explained_in_the_caption(tmp_path: Path) -> None:
    def change(row: dict[str, Any]) -> dict[str, str] | None:
        return {"warnings": "capped;oversubscribed"} if row["batch"] == 64 else None

    figures, _ = drawn(make_points(change=change), tmp_path)
    caption = next(figure.caption for figure in figures if figure.kind == "step_time")
    assert "oversubscribed (9 points)" in caption
    assert "do not read it as Python overhead" in caption


def test_refused_device_counts_stand_in_the_caption(tmp_path: Path) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        return failed("unsupported") if row["devices"] == 8 else None

    figures, _ = drawn(make_points(devices=(1, 2, 8), change=change), tmp_path)
    caption = next(figure.caption for figure in figures if figure.kind == "scaling")
    assert "unsupported on 8 devices" in caption
    assert "Chosen: depth 2 with batch 1" in caption


def test_a_name_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path: Path) -> None:
    figures, _ = drawn(make_points(device_name="$\\frac{1}{$ 型番"), tmp_path)
    assert kinds(figures) == ALL_KINDS - {"scaling"}


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    first, _ = drawn(make_points(), tmp_path / "a")
    second, _ = drawn(make_points(), tmp_path / "b")
    assert [figure.svg.read_bytes() for figure in first] == [figure.svg.read_bytes() for figure in second]


def test_a_figure_that_fails_does_not_cost_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("harness.report.figures.task.save", broken)
    paths = write_report([make_run()], tmp_path)
    assert paths.figures == []
    assert "no ink" in paths.html.read_text()


def test_numbers_on_an_axis_do_not_touch() -> None:
    assert spaced([1, 2, 3, 4, 5, 100000], [0, 0.01, 0.02, 1, 1.01, 2]) == [1, 4, 100000]


def test_a_logarithmic_axis_of_two_to_three_decades_has_three_numbers() -> None:
    for start in (1.55, 3.1, 9.0):
        assert len(log_ticks(start, 200 * start)) >= 3


@pytest.mark.parametrize(("low", "high"), [(1, 2), (10, 11), (0.3, 40), (1, 1e9)])
def test_every_span_gets_some_ticks(low: float, high: float) -> None:
    assert 2 <= len(log_ticks(low, high)) <= 9


def test_a_caption_says_where_ranks_that_start_apart_lower_the_efficiency(tmp_path: Path) -> None:
    def late(row: dict[str, Any]) -> dict[str, Any] | None:
        """At one point the second rank starts when the first has done a quarter."""
        here = (row["mode"], row["depth"], row["batch"], row["devices"]) == ("script", 16, 64, 2)
        return {"throughput_samples_s": 0.8 * row["throughput_samples_s"]} if here else None

    together, _ = drawn(make_points(devices=(1, 2)), tmp_path / "together")
    assert "start or end apart count" in caption(together, "scaling")
    assert "makes more than" not in caption(together, "scaling")
    apart, _ = drawn(make_points(devices=(1, 2), change=late), tmp_path / "apart")
    assert (
        "In 1 of 27 points that makes more than 5.0 %, most for script at depth 16, batch 64 on 2 devices: 20 %"
        in caption(apart, "scaling")
    )


@pytest.mark.parametrize("decided", [False, True])
def test_a_share_that_rests_on_what_is_undecided_is_not_drawn_as_if_it_were(
    tmp_path: Path, decided: bool
) -> None:
    """On a CPU a share is the gain of another mode."""

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        unsure = row["mode"] != "eager" and row["batch"] == 1 and not decided
        share = row["dispatch_share"]
        ends = {"dispatch_share_low": share, "dispatch_share_high": share}
        return {
            **ends,
            **({"speedup_vs_eager": 1.0, "speedup_low": 0.9, "speedup_high": 1.1} if unsure else {}),
        }

    figures, _ = drawn(make_points(depths=(2, 16), batches=(1, 64), change=change), tmp_path)
    (figure,) = (figure for figure in figures if figure.kind == "dispatch_share")
    assert ("~: undecided" in figure.caption) == (not decided)
