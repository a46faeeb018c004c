"""The ladder in sentences: its order, where a rung does not help, and where eager's time goes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from ladders import ladder_points
from saying import said, speedup

from harness.report.findings import findings

ONE: dict[str, Any] = {"depths": (64,), "batches": (1,)}


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
        "[1.90, 2.10] (slower than trace), symbolic 1.010x [0.980, 1.040] (no gain over eager shown) and aoti "
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
    points = pd.concat([ladder_points(**ONE), ladder_points(**ONE).assign(devices=8)], ignore_index=True)
    assert len(said(findings(points), "best first")) == 1
    assert said(findings(points), "best first", "on 1 device")


def test_a_gain_of_fused_code_with_python_does_not_prove_that_python_is_the_bottleneck() -> None:
    points = ladder_points(
        "cpu",
        **ONE,
        modes=("eager", "script", "compile"),
        change=lambda row: (
            speedup(2.0, 1.9, 2.1)
            if row["mode"] == "compile"
            else {**speedup(1.0, 0.9, 1.1), "dispatch_share": 0.0}
        ),
    )
    assert said(findings(points), "Is Python the bottleneck here? No")
