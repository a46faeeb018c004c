"""Where the interpreter stops mattering: found where it is known, with an interval that holds it, or said not to be."""

from __future__ import annotations

import json
import math
import random
import re
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_crossovers import BATCHES, DEPTHS, NOISE, crossing, table

from harness.core.schema import OK
from harness.crossover.agreement import between, steps_apart
from harness.crossover.data import COLUMNS, crossover_data, crossovers, main_crossover, rows
from harness.crossover.find import crossings, crossover
from harness.crossover.grids import MOST_VALUES, grids
from harness.crossover.lattice import falling
from harness.crossover.surface import surface
from harness.crossover.values import BELOW, BEYOND, CROSSED, GAIN, SHARE, THRESHOLDS, At, Crossover, Grid
from harness.crossover.words import said
from harness.report.table.tidy import tidy


def grid(points: pd.DataFrame, kind: str = SHARE) -> Grid:
    return next(each for each in grids(points).grids if each.kind == kind)


def at(found: Crossover, depth: int) -> At:
    there = found.at(depth)
    assert there is not None
    return there


@pytest.mark.parametrize("kind", [SHARE, GAIN])
@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.3])
def test_a_known_crossover_is_found_at_every_depth(kind: str, threshold: float) -> None:
    found = crossover(grid(table(), kind), threshold)
    for depth in DEPTHS:
        there = at(found, depth)
        # A gain g is a share of g / (1 + g).
        expected = crossing(depth, threshold)
        assert there.batch == pytest.approx(expected, rel=0.03)
        assert there.low <= expected <= there.high
        assert there.measured


def test_the_interval_of_a_noisy_map_holds_the_known_crossover() -> None:
    held, widths = [], []
    for seed in range(40):
        found = crossover(grid(table(noise=NOISE, seed=seed)))
        for depth in DEPTHS:
            there = at(found, depth)
            held.append(there.low <= crossing(depth) <= there.high)
            widths.append(there.high / there.low)
    assert statistics.fmean(held) >= 0.88
    assert statistics.median(widths) < 4  # a step of this grid is 16


def test_a_noisier_map_has_a_wider_interval() -> None:
    quiet, loud = (at(crossover(grid(table(noise=noise, seed=1))), 16) for noise in (0.003, 0.03))
    assert math.log(loud.high / max(loud.low, 1)) > math.log(quiet.high / quiet.low)


def test_the_contour_from_half_of_the_cells_lies_within_one_step_of_that_from_all() -> None:
    chance, apart = random.Random(0), []
    for seed in range(8):
        whole = grid(
            table(
                noise=NOISE,
                seed=seed,
                depths=(2, 4, 8, 16, 32, 64),
                batches=(1, 4, 16, 64, 256, 1024, 4096, 16384),
            )
        )
        contour = crossover(whole)
        for _ in range(5):
            cells = chance.sample(list(whole.cells), len(whole.cells) // 2)
            half = replace(whole, cells=tuple(sorted(cells, key=lambda cell: (cell.depth, cell.batch))))
            for there in contour.contour:
                other = between(crossover(half).contour, there.depth) if there.measured else None
                if other is not None:
                    apart.append(steps_apart(there, other, 4.0))
    assert len(apart) > 150
    assert statistics.fmean(steps <= 1 for steps in apart) >= 0.95


def test_a_grid_that_does_not_reach_the_crossover_says_beyond_and_draws_no_line() -> None:
    found = crossover(grid(table(batches=(1, 16, 256))))
    assert {there.side for there in found.contour} == {BEYOND}
    assert all(math.isinf(there.batch) for there in found.contour)
    assert "still matters at every batch measured, 1 to 256" in found.said
    assert "lies beyond batch 256" in found.said


def test_a_grid_without_a_crossover_says_so() -> None:
    found = crossover(grid(table(batches=(16384, 65536, 262144))))
    assert {there.side for there in found.contour} == {BELOW}
    assert (
        "does not matter (less than 10 % of the step saved without Python) at every batch measured, 16,384 to 262,144"
        in found.said
    )


def test_what_is_measured_once_says_what_it_assumes() -> None:
    found = crossover(grid(table(intervals=False)))
    assert any("2 % is assumed" in note for note in found.notes)
    assert not any(cell.known for cell in found.cells)


def test_of_few_cells_the_interval_is_from_cell_to_cell() -> None:
    found = crossover(grid(table(depths=(4, 64), batches=(256, 65536))))
    for there in found.contour:
        assert there.low <= 256 < there.batch < 65536 <= there.high
    assert any("from cell to cell" in note for note in found.notes)


def test_one_batch_has_no_map_and_says_why() -> None:
    made = grids(table(batches=(64,)))
    assert made.grids == []
    assert any("one batch alone was measured" in reason for reason in made.refused)
    alone = grids(table(modes=("eager",)))
    assert any("no mode was measured beside eager" in reason for reason in alone.refused)


def test_the_contour_moves_to_smaller_batches_as_the_threshold_rises() -> None:
    batches = [at(each, 16).batch for each in crossings(grid(table(noise=0.01)), THRESHOLDS)]
    assert batches == sorted(batches, reverse=True)
    assert len(set(batches)) == len(batches)


@pytest.mark.parametrize("threshold", [0.0, 1.0, math.nan])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        crossover(grid(table()), threshold)


def test_a_rise_that_is_real_is_not_smoothed_away_and_the_last_crossing_counts() -> None:
    points = table(batches=(1, 16, 256, 4096))
    back = (points["mode"] == "eager") & (points["batch"] == 4096)
    columns = ["dispatch_share_low", "dispatch_share", "dispatch_share_high"]
    points.loc[back, columns] = [0.49, 0.5, 0.51]
    points.loc[(points["mode"] == "eager") & (points["batch"] == 256), columns] = [0.01, 0.02, 0.03]
    found = crossover(grid(points))
    assert at(found, 16).side == BEYOND
    assert any("shown to rise" in note for note in found.notes)


def test_where_work_hides_behind_issuing_the_corner_is_found() -> None:
    def asynchronous(row: dict[str, Any]) -> dict[str, Any]:
        issue, device = 5.0 + 9.0 * row["depth"], row["depth"] * max(2.0, 0.02 * row["batch"])
        step = max(issue, device)
        share = 1 - device / step
        return {
            "dispatch_share": share,
            "dispatch_share_low": max(share - 0.01, 0),
            "dispatch_share_high": share + 0.01,
        }

    points = table(batches=(1, 4, 16, 64, 256, 1024, 4096), device_kind="cuda")
    changed = [asynchronous(row) if row["mode"] == "eager" else {} for row in points.to_dict("records")]
    for place, values in zip(points.index, changed, strict=True):
        for name, value in values.items():
            points.loc[place, name] = value
    found = crossover(grid(points))
    for depth in DEPTHS:
        assert at(found, depth).batch == pytest.approx(0.9 * (5.0 / depth + 9.0) / 0.02, rel=0.15)


def test_every_axis_but_depth_and_batch_has_maps_of_its_own() -> None:
    points = table(widths=(64, 512), devices=(1, 2), workloads=("forward", "train"))
    found = [each for each in grids(points).grids if each.kind == SHARE]
    assert len(found) == 8
    assert all(len(each.cells) == len(DEPTHS) * len(BATCHES) for each in found)


def test_a_tidy_table_and_the_order_of_rows_make_no_difference() -> None:
    points = table(noise=0.01, seed=3)
    expected = crossover(grid(points)).contour
    assert crossover(grid(tidy(points))).contour == expected
    assert crossover(grid(points.sample(frac=1, random_state=2))).contour == expected


def test_oversubscribed_points_are_left_out_beside_others() -> None:
    points = table()
    points["warnings"] = points["warnings"].where(points["depth"] != 4, "oversubscribed")
    assert {cell.depth for cell in grid(points).cells} == {16, 64}


def test_what_failed_is_no_cell() -> None:
    points = table()
    points["status"] = points["status"].where(points["batch"] != 16, "failed")
    assert 16 not in {cell.batch for cell in grid(points).cells}
    nothing = table()
    assert grids(nothing.assign(status="failed")).grids == []
    assert grids(nothing.head(0)).grids == []


def test_the_data_of_a_page_is_json_with_a_contour_for_every_threshold() -> None:
    data = crossover_data(crossovers(table(noise=0.01), THRESHOLDS))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["thresholds"][data["default"]] == 0.1
    first = data["maps"][0]
    assert [each["threshold"] for each in first["contours"]] == data["thresholds"]
    assert len(first["cells"]) == len(DEPTHS) * len(BATCHES)
    depth, batch, low, high, side, least, most, measured = first["contours"][data["default"]]["at"][0]
    assert (depth, side, least, most, measured) == (4, CROSSED, 1, 65536, True)
    assert low < batch < high


def test_where_there_is_no_batch_the_data_has_none() -> None:
    data = crossover_data(crossovers(table(batches=(1, 16, 256)), THRESHOLDS))
    assert {row[1] for row in data["maps"][0]["contours"][data["default"]]["at"]} == {None}


def test_the_table_has_a_row_for_every_threshold_and_measured_depth() -> None:
    made = rows(crossovers(table(), THRESHOLDS))
    assert list(made.columns) == [name for name in COLUMNS if name != "run"]
    assert len(made) == 2 * len(THRESHOLDS) * len(DEPTHS)
    assert set(made["measured"]) == {"measured"}
    assert "run" in rows(crossovers(table().assign(run="a")))


def test_the_first_map_is_of_the_share_on_the_fewest_devices() -> None:
    main = main_crossover(table(devices=(2, 1)))
    assert main is not None
    assert (main.kind, main.of["devices"]) == (SHARE, 1)
    assert main_crossover(table(batches=(1,))) is None


def test_a_table_of_any_size_takes_bounded_work() -> None:
    count = 120
    batches = [1 + 3 * place for place in range(count)]
    each = table(device_kind="cuda").iloc[:1]
    points = pd.concat([each] * count**2, ignore_index=True)
    points["depth"] = np.repeat(np.arange(1, count + 1), count)
    points["model"] = [f"mlp-64x{depth}" for depth in points["depth"]]
    points["batch"] = np.tile(batches, count)
    points["mode"], points["status"] = "eager", OK
    found = grid(points)
    assert len(found.cells) <= MOST_VALUES**2
    made = surface(found)
    assert made.draws.size < 5e6


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, -1e308, 0.0, 1.0, 5.0])
def test_figures_out_of_range_make_no_error(value: float) -> None:
    points = table()
    for name in ("dispatch_share", "dispatch_share_low", "speedup_vs_eager", "speedup_high", "sessions"):
        changed = points.copy()
        changed[name] = pd.array([value] * len(points)) if name != "sessions" else value
        json.dumps(crossover_data(crossovers(changed, THRESHOLDS)), allow_nan=False)


def test_values_that_never_rise_are_the_nearest_ones() -> None:
    values = np.array([[3.0, 1.0, 2.0, 0.0]])
    assert falling(values, np.ones(4)).tolist() == [[3.0, 1.5, 1.5, 0.0]]
    heavy = np.array([1.0, 3.0, 1.0, 1.0])
    assert falling(values, heavy).tolist() == [[3.0, 1.25, 1.25, 0.0]]


def test_a_sentence_gives_the_interval_and_its_open_ends() -> None:
    there = At(48, 912.0, 703.0, 1210.0, 1, 4096, True)
    assert said(SHARE, 0.1, there) == (
        "At depth 48 the interpreter stops mattering (dispatch share below 10 %) from batch 910 [700, 1,200] on."
    )
    open_ = replace(there, low=0.0, high=math.inf)
    assert "intervals cannot tell" in said(SHARE, 0.1, open_)
    assert "910 [700, beyond 4,096]" in said(GAIN, 0.1, replace(there, high=math.inf))
    assert "fastest mode saves less than 10 % of eager's step" in said(GAIN, 0.1, there)


def test_a_sentence_says_what_was_measured_and_what_is_the_models() -> None:
    there = At(48, 912.0, 703.0, 1210.0, 1, 4096, True)
    assert said(SHARE, 0.1, there, beside=(256.0, 4096.0)) == (
        "At depth 48 the interpreter stops mattering (dispatch share below 10 %) between batch 256 and 4,096, which "
        "were measured; by the model between them from about 910 [700, 1,200] on."
    )
    deepest = max(crossovers(table())[0].contour, key=lambda at: at.depth)
    (text,) = [found.said for found in crossovers(table()) if found.kind == SHARE]
    low, high = (
        float(part.replace(",", "")) for part in re.findall(r"between batch ([\d,]+) and ([\d,]+),", text)[0]
    )
    assert low <= deepest.low < deepest.high <= high


def test_contours_that_lie_beyond_are_held_to_that() -> None:
    crossed, beyond = At(4, 100.0, 50, 200, 1, 4096, True), At(4, math.inf, 50, math.inf, 1, 64, True)
    assert steps_apart(crossed, beyond, 4.0) == 0
    assert steps_apart(replace(crossed, batch=16.0), beyond, 4.0) == pytest.approx(1.0)
    middle = between([crossed, replace(crossed, depth=16, batch=400.0)], 8)
    assert middle is not None
    assert middle.batch == pytest.approx(200.0)
    assert not middle.measured
    assert between([crossed], 8) is None
