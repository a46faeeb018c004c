"""Imperative, symbolic, hybrid, in sentences."""

from __future__ import annotations

from typing import Any

from made_frameworks import framework_points
from saying import said
from synthetic import make_points

from harness.report.findings import findings

SMALL: dict[str, Any] = {"depths": (4, 16), "batches": (1,)}


def test_styles_are_told_with_their_fastest_and_slowest_framework() -> None:
    (text,) = said(findings(framework_points(**SMALL)), "Imperative, symbolic, hybrid")
    assert "imperative 0.10 (torch) to 3.3 (mxnet)" in text
    assert "symbolic 0.041 (pytensor graph_c) to 0.22 (cntk graph)" in text
    assert "hybrid 0.014 (jax aot) to 0.44 (mxnet hybridize)" in text
    assert "frameworks of one style differ by up to 32x, the styles of one framework by up to 29x" in text
    assert "versions and this one machine" in text


def test_gains_are_over_each_frameworks_own_imperative_way() -> None:
    (text,) = said(findings(framework_points(**SMALL)), "its own imperative way")
    assert "jax aot 28.6x [27.8, 29.5]" in text and "pytensor" not in text and "cntk" not in text


def test_of_an_interval_that_includes_one_no_gain_is_claimed() -> None:
    def unsure(row: dict[str, Any]) -> dict[str, float] | None:
        of_torch = row["framework"] == "torch" and row["mode"] != "eager"
        return {"speedup_low": 0.8, "speedup_high": 1.6} if of_torch else None

    (text,) = said(findings(framework_points(**SMALL, change=unsure)), "its own imperative way")
    assert "nothing is shown of torch script" in text


def test_a_layer_in_python_is_told_where_it_is_shown() -> None:
    (text,) = said(findings(framework_points(**SMALL)), "One more layer takes")
    assert text.index("torch 2.0 [") < text.index("jax 24") < text.index("mxnet 180 [")
    wide = {"step_us_low": 1.0, "step_us_high": 1e5}
    assert not said(findings(framework_points(**SMALL, change=lambda row: wide)), "One more layer takes")


def test_of_one_framework_nothing_of_this_is_said() -> None:
    sentences = findings(make_points())
    assert not said(sentences, "Imperative, symbolic") and not said(sentences, "imperative way")
