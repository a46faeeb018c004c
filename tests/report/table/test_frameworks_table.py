"""How frameworks compare in numbers: each beside its own imperative way, a layer's time, what Python costs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from made_frameworks import COSTS_US, framework_points
from synthetic import failed, make_points

from harness.report.table.frameworks import WITHOUT, Comparison, compared, is_compared
from harness.report.table.frameworks_section import sections
from harness.report.table.slices import split
from harness.report.table.tidy import tidy


def comparison(points: pd.DataFrame) -> Comparison:
    (part,) = split(tidy(points), WITHOUT)
    return compared(part)


def test_one_framework_is_no_comparison() -> None:
    assert not is_compared(tidy(make_points()))
    assert not sections(tidy(make_points()))
    alone = {key: cost for key, cost in COSTS_US.items() if key[0] == "torch"}
    assert not is_compared(tidy(framework_points(costs=alone)))


def test_the_cell_is_the_deepest_of_the_smallest_batch_and_the_fastest_framework_comes_first() -> None:
    found = comparison(framework_points())
    assert found.cell == (16, 1) and found.depths == (4, 16)
    best = [framework.fastest.seconds.estimate for framework in found.frameworks if framework.fastest]
    assert best == sorted(best) and found.frameworks[0].name == "jax"


def test_a_cell_that_all_frameworks_have_goes_before_a_deeper_one() -> None:
    lost: dict[str, Any] = failed("oom")
    found = comparison(
        framework_points(change=lambda r: lost if r["depth"] == 16 and r["framework"] == "mxnet" else None)
    )
    assert found.cell == (4, 1)


def test_the_time_of_a_layer_is_the_slope_and_lies_in_its_interval() -> None:
    found = comparison(framework_points(depths=(2, 8, 32)))
    for framework in found.frameworks:
        for way in framework.timed:
            layer = COSTS_US[framework.name, way.mode][1] + 0.01
            assert way.layer_us.estimate == pytest.approx(layer)
            assert way.layer_us.low < layer < way.layer_us.high


def test_what_python_costs_is_the_imperative_way_without_the_fastest_other_one() -> None:
    found = comparison(framework_points())
    (jax,) = [each for each in found.frameworks if each.name == "jax"]
    assert jax.compiled is not None and jax.compiled.mode == "aot"
    assert jax.call_costs_us.estimate == pytest.approx(5 + 16 * 25 - (6 + 16 * 0.5))
    assert jax.layer_costs_us.estimate == pytest.approx(24.5)
    for cost in (jax.call_costs_us, jax.layer_costs_us):
        assert cost.low < cost.estimate < cost.high


def test_a_framework_with_one_style_has_no_such_cost() -> None:
    found = comparison(framework_points())
    for framework in found.frameworks:
        if framework.name in ("chainer", "pytensor", "cntk"):
            assert framework.call_costs_us.estimate != framework.call_costs_us.estimate


def test_what_was_measured_once_has_figures_without_intervals() -> None:
    unknown = {name: float("nan") for name in ("step_us_low", "step_us_high", "speedup_low", "speedup_high")}
    (section,) = sections(tidy(framework_points(change=lambda row: unknown)))
    assert "[" not in "".join(cell for row in section.ways.rows for cell in row)


def test_two_environments_of_one_framework_are_told_apart() -> None:
    def renamed(row: dict[str, Any]) -> dict[str, Any] | None:
        return {"framework": "torch"} if row["environment"] == "jax" else None

    names = {framework.name for framework in comparison(framework_points(change=renamed)).frameworks}
    assert {"torch (here)", "torch (jax)", "mxnet"} <= names


def test_the_section_says_why_a_mode_has_no_time_and_how_others_were_saved() -> None:
    lost = failed("failed", "jax: not created: harness environment create jax")
    (section,) = sections(tidy(framework_points(change=lambda r: lost if r["framework"] == "jax" else None)))
    why = section.ways.headers.index("why")
    assert [row[why] for row in section.ways.rows if row[0] == "jax"] == [lost["error"]] * 3
    assert [row[0] for row in section.ways.rows][-3:] == ["jax"] * 3
    assert section.saved is not None
    assert ["tensorflow", "function", "SavedModel", "660", "0.900", "0.400"] in section.saved.rows
    assert any(row[2] == "not saved: no file" for row in section.saved.rows)


def test_one_depth_has_no_time_of_a_layer() -> None:
    (section,) = sections(tidy(framework_points(depths=(3,), batches=(1,))))
    assert "us a layer" not in section.ways.headers and "Python us a call" in section.ways.headers
