"""Sentences follow from the data, and claim nothing the data do not show."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from saying import said, speedup
from synthetic import failed, make_points

from harness.report.findings import FINDINGS, findings
from harness.report.table.keytable import key_table
from harness.report.table.tidy import tidy


def test_the_largest_gain_is_named_with_place_and_interval() -> None:
    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return (
            speedup(3.1, 2.9, 3.3) if (row["depth"], row["batch"], row["mode"]) == (64, 1, "script") else None
        )

    sentences = findings(make_points(modes=("eager", "script"), change=change))
    expected = (
        "At depth 64, batch 1 on 1 device, script runs 3.10x [2.90, 3.30] as fast as eager (largest gain)."
    )
    assert expected in sentences


def test_a_difference_within_the_threshold_is_not_called_none() -> None:
    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return speedup(1.019, 1.003, 1.035) if row["mode"] == "script" and row["batch"] == 4096 else None

    sentences = findings(make_points(modes=("eager", "script"), change=change))
    (text,) = said(sentences, "but not shown to be so by more than the larger of 1.0 % and the noise floor")
    assert "script is faster than eager" in text and "1.019x [1.003, 1.035]" in text


def test_an_interval_that_includes_one_is_called_no_difference() -> None:
    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return speedup(1.01, 0.98, 1.03) if row["mode"] == "script" and row["batch"] == 4096 else None

    sentences = findings(make_points(modes=("eager", "script"), change=change))
    assert said(
        sentences,
        "At depth 64, batch 4096 on 1 device no difference between script and eager could be shown: "
        "1.010x [0.980, 1.030]",
    )


def test_no_gain_is_claimed_where_every_interval_includes_one() -> None:
    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return speedup(1.3, 0.9, 1.7) if row["mode"] != "eager" else None

    sentences = findings(make_points(change=change))
    assert not said(sentences, "as fast as eager (largest gain)")
    assert not said(sentences, "slower than eager")
    assert said(sentences, "no mode could be shown to be faster than eager")
    assert not said(sentences, "bottleneck here? No")


def test_a_slower_mode_is_said_to_be_slower() -> None:
    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return speedup(0.8, 0.75, 0.85) if row["mode"] == "trace" and row["batch"] == 4096 else None

    sentences = findings(make_points(change=change))
    assert said(sentences, "trace is slower than eager: 0.800x [0.750, 0.850]", "3 of 9 cells")


def test_the_batch_from_which_the_gain_is_small_is_named() -> None:
    sentences = findings(make_points(modes=("eager", "script"), batches=(1, 64, 4096, 65536)))
    assert said(
        sentences,
        "At depth 64 on 1 device, script saves less than 10 % of eager's step from batch 4096 on (the next smaller one "
        "that was measured is 64).",
    )


def test_a_small_gain_is_not_claimed_from_a_wide_interval() -> None:
    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return speedup(1.05, 0.9, 1.2) if row["mode"] != "eager" else None

    assert not said(findings(make_points(change=change)), "less than 10 %")


def test_on_cpu_the_share_is_said_to_be_measured_against_the_fastest_mode() -> None:
    sentences = findings(make_points())
    assert said(sentences[:1], "Is Python the bottleneck here? It depends", "fastest mode without Python")


def test_the_floor_is_told_beside_the_largest_difference_of_two_builds() -> None:
    nulls = {1: 1.001, 64: 1.002, 4096: 0.98}

    def change(row: dict[str, Any]) -> dict[str, float] | None:
        return {"null_ratio": nulls[row["batch"]]} if row["mode"] == "eager" else None

    (text,) = said(findings(make_points(change=change)), "two builds of the same eager model")
    assert "differ by up to 2.0 % here (9 cells)" in text and "the 95th percentile is" in text
    assert "nothing of how far a share is off" in text


def test_eager_alone_on_cpu_cannot_tell() -> None:
    sentences = findings(make_points(modes=("eager",)))
    assert said(sentences, "The table cannot tell: no mode without Python was measured")


def test_the_few_cells_without_a_gain_do_not_answer_for_the_undecided_ones() -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        if row["mode"] == "eager":
            return of_share(gains[row["batch"]])
        return {**speedup(*gains[row["batch"]]), "verdict": "undecided"}

    gains = {1: (1.3, 0.95, 1.8), 65536: (1.0, 0.98, 1.02)}
    sentences = findings(make_points(batches=(1, 65536), change=change))
    assert said(
        sentences, "The table cannot tell: no comparison with a mode without Python is decided in 3 of 6 "
    )
    assert not said(sentences, "bottleneck here? No")


def of_share(gain: tuple[float, float, float]) -> dict[str, float]:
    """Eager's share where the fastest mode without Python is so many times as fast."""
    names = ("dispatch_share", "dispatch_share_low", "dispatch_share_high")
    return {name: 1 - 1 / value for name, value in zip(names, gain, strict=True)}


def test_gains_that_are_shown_to_be_small_answer_though_no_verdict_is_decided() -> None:
    """Not shown to be beyond the noise floor, but shown to be far below what would matter."""

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        gain = (1.02, 1.005, 1.035)
        null = {"null_ratio": 1.02, "null_low": 1.0, "null_high": 1.04}
        return {**of_share(gain), **null} if row["mode"] == "eager" else speedup(*gain)

    (text,) = said(findings(make_points(change=change)), "bottleneck here?")
    assert (
        "No: leaving Python out saves 2.0 % of eager's step, in all 9 cells (by their intervals 3.4 % at most)"
        in text
    )


def test_cells_are_counted_by_what_their_intervals_show_and_none_is_dropped() -> None:
    gains = {
        1: (2.5, 2.4, 2.6),
        4: (2.0, 1.9, 2.1),
        16: (1.3, 1.25, 1.35),
        64: (1.1, 0.9, 1.3),
        256: (1.0, 0.99, 1.01),
    }

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        gain = gains[row["batch"]]
        return of_share(gain) if row["mode"] == "eager" else speedup(*gain)

    (text,) = said(findings(make_points(batches=[*gains], change=change)), "bottleneck here?")
    assert (
        "saves 60 % [58 %, 62 %] of eager's step at depth 2, batch 1 on 1 device, but only 0 % [-1.0 %, 1.0 %] at"
        in text
    )
    assert (
        "it is over 50 % in 3 of 15 cells, about 50 % in 3, in between in 3, under 10 % in 3, undecided in 3."
        in text
    )
    assert "counts as 0" not in text


def test_where_a_thing_differs_from_itself_by_too_much_no_share_counts_as_none() -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        if row["mode"] == "eager":
            return {"null_ratio": 1.05, "null_low": 1.0, "null_high": 1.1}
        return {**speedup(1, 0.9, 1.1), "verdict": "undecided"}

    sentences = findings(make_points(change=change))
    assert said(sentences, "The table cannot tell: no comparison with a mode without Python is decided.")
    assert not said(sentences, "bottleneck here? No")


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.462, 0.458), "In part: the device waits during 46 % of eager's step, in all "),
        ((0.46, 0.40), "In part: the device waits during 40 % to 46 % of eager's step, in all "),
        ((0.46, 0.20), "In part: the device waits during 46 % [41 %, 51 %] of eager's step at depth"),
    ],
)
def test_only_what_differs_is_set_against_each_other(shares: tuple[float, float], expected: str) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        share = shares[row["batch"] > 1]
        ends = {"dispatch_share_low": share - 0.05, "dispatch_share_high": share + 0.05}
        return {"dispatch_share": share, **ends, "feedable_devices": 0.4}

    sentences = findings(make_points(device_kind="cuda", batches=(1, 64), change=change))
    assert said(sentences[:1], expected), sentences[0]
    assert ("but only" in sentences[0]) == (expected.endswith("at depth"))


def test_on_cuda_the_device_is_what_waits() -> None:
    points = make_points(
        device_kind="cuda", change=lambda row: {"dispatch_share": 0.8, "feedable_devices": 0.4}
    )
    sentences = findings(points)
    assert said(sentences[:1], "Yes: the device waits during 80 % of eager's step, in all 9 cells.")
    assert said(sentences, "One thread can keep busy: 0.400 devices with eager")


def test_oversubscribed_points_are_left_out_of_claims_and_said_to_be() -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        crowded = {"warnings": "noisy;oversubscribed", **speedup(9.0, 8.5, 9.5)}
        return crowded if row["devices"] == 4 and row["mode"] != "eager" else None

    sentences = findings(make_points(devices=(1, 4), change=change))
    assert not said(sentences, "9.00x")
    assert said(sentences, "oversubscribed", "must not be read as Python overhead", "left out")


def test_where_all_points_are_oversubscribed_that_comes_first() -> None:
    sentences = findings(make_points(change=lambda row: {"warnings": "oversubscribed"}))
    assert "All 27 measured points were oversubscribed" in sentences[0]
    assert said(sentences, "largest gain")


def test_failures_are_grouped_by_reason() -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        if row["mode"] == "trace":
            return failed("unsupported", "needs CUDA")
        return failed("oom", f"out of memory at {row['depth']}") if row["batch"] == 4096 else None

    sentences = findings(make_points(change=change))
    assert said(sentences, "9 points were not supported", "needs CUDA.")
    assert said(sentences, "6 points ran out of memory", "out of memory at 64 (2)")


def test_a_report_of_failures_only_says_so_first() -> None:
    sentences = findings(make_points(change=lambda row: failed()))
    assert sentences[0].startswith("Nothing could be measured")


def test_falling_efficiency_is_told_with_its_worst_cell() -> None:
    sentences = findings(make_points(devices=(1, 2, 8), efficiency=lambda n: 1 - 0.05 * (n - 1)))
    assert said(sentences, "Scaling efficiency of eager falls from 95 % on 2 to 65 % on 8 devices")


def test_the_worst_of_all_modes_stands_in_the_sentence_that_may_be_the_only_one() -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        here = row["mode"] == "script" and (row["depth"], row["batch"]) == (64, 1)
        return {"scaling_efficiency": 0.8 if here else 0.9 if row["mode"] == "trace" else 0.95}

    sentences = findings(make_points(devices=(1, 2), change=change))
    assert said(
        sentences,
        "Scaling efficiency of trace is 90 %",
        "and of all modes script's 80 % at depth 64, batch 1",
    )
    assert not said(sentences, "Scaling efficiency of eager", "of all modes")


def test_several_runs_are_told_apart() -> None:
    import pandas as pd

    points = pd.concat([make_points().assign(run="first"), make_points().assign(run="second")])
    sentences = findings(points)
    assert said(sentences, "first: At depth")
    assert said(sentences, "second: At depth")


def test_emulated_claims_carry_their_mark() -> None:
    sentences = findings(make_points(device_kind="emulated"))
    assert all(text.startswith("Emulated, not measured: ") for text in said(sentences, "eager"))


@pytest.mark.parametrize("modes", [("eager", "script"), ("eager", *"abcdefghi")])
def test_there_are_about_a_dozen_sentences_however_many_points(modes: tuple[str, ...]) -> None:
    points = make_points(widths=(64, 512), devices=(1, 2, 4), workloads=("forward", "train"), modes=modes)
    sentences = findings(points)
    assert len(sentences) <= 13
    assert "more sentences of these kinds are left out" in sentences[-1]


def test_the_order_of_rows_does_not_matter() -> None:
    points = make_points(devices=(1, 2))
    assert sorted(findings(points)) == sorted(findings(points.sample(frac=1, random_state=1)))


def test_a_kind_of_sentence_is_a_line_in_one_tuple() -> None:
    names = [finding.name for finding in FINDINGS]
    assert len(set(names)) == len(names)


def test_the_share_on_cpu_is_explained_with_the_first_answer_that_has_one() -> None:
    alone = make_points(modes=("eager",)).assign(run="a")
    sentences = findings(pd.concat([alone, make_points().assign(run="b")], ignore_index=True))
    assert said(sentences, "a: Is Python the bottleneck here?", "The table cannot tell")
    assert said(sentences, "b: Is Python the bottleneck here?", "what the fastest mode without Python saves")


def test_an_emulated_share_is_told_with_what_its_kernels_times_leave_open() -> None:
    def change(row: dict[str, Any]) -> dict[str, float]:
        half = row["step_us"] / 2
        return {"issue_us": row["step_us"], "device_us": half, "dispatch_share": 0.5}

    def told(row: dict[str, Any]) -> dict[str, float]:
        return change(row) | {
            "device_us_model_low": row["step_us"] * 0.4,
            "device_us_model_high": row["step_us"] * 0.8,
        }

    sentences = findings(make_points(device_kind="emulated", change=told))
    assert said(sentences, "bottleneck here", "On the real device the 50 % may be 20 % to 60 %")
    assert not said(findings(make_points(device_kind="emulated", change=change)), "On the real device")
    one = make_points(depths=(2,), batches=(1,), modes=("eager",), device_kind="emulated", change=told)
    (row,) = key_table(tidy(one)).rows
    assert "50 % (20 % - 60 %)" in row
