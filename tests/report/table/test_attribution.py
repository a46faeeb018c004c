"""A step's parts add up, none is negative, and what is not known is not made up."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ladders import ladder_points

from harness.report.table.attribution import Attribution, Parts, attributed, is_ladder
from harness.report.table.tidy import tidy


def found(times: dict[str, tuple[float, float | None]], kind: str = "cuda", **change: Any) -> Attribution:
    """times: step and device time of each mode, in microseconds."""

    def replaced(row: dict[str, Any]) -> dict[str, Any]:
        step, device = times[row["mode"]]
        return {"step_us": step, "device_us": device, "replay_us": None, **change}

    points = ladder_points(kind, depths=(64,), batches=(1,), modes=list(times), change=replaced)
    return attributed(tidy(points))


def test_eager_is_split_at_native_and_at_the_device() -> None:
    modes = found({"eager": (100, 10), "native": (40, 10)}).modes
    assert modes["eager"] == Parts(100, 10, 30, 60)
    assert modes["native"] == Parts(40, 10, 30, 0)


def test_a_mode_faster_than_native_has_no_negative_part() -> None:
    modes = found({"eager": (100, 10), "native": (40, 10), "aoti": (25, 8), "cudagraph": (9.5, 10)}).modes
    assert modes["aoti"] == Parts(25, 8, 17, 0)
    assert modes["cudagraph"] == Parts(9.5, 9.5, 0, 0)


def test_parts_of_every_mode_add_up_to_its_step() -> None:
    for kind in ("emulated", "cpu"):
        for parts in attributed(tidy(ladder_points(kind, depths=(4,), batches=(64,)))).modes.values():
            known = [
                part for part in (parts.device, parts.framework, parts.interpreter) if not math.isnan(part)
            ]
            assert sum(known) == pytest.approx(parts.total)
            assert min(known) >= 0


def test_on_cpu_there_is_no_device_part() -> None:
    result = found({"eager": (100, 10), "native": (40, None)}, kind="cpu")
    assert not result.on_device
    assert math.isnan(result.modes["eager"].device)
    assert (result.modes["eager"].framework, result.modes["eager"].interpreter) == (40, 60)


def test_a_replay_stands_for_a_missing_device_time() -> None:
    result = found({"eager": (100, None), "native": (40, None)}, replay_us=12.0)
    assert result.modes["eager"] == Parts(100, 12, 28, 60)
    assert result.borrowed == ()


def test_without_any_device_time_that_of_the_graph_counts_and_is_said_to() -> None:
    result = found({"eager": (100, None), "native": (40, None), "cudagraph": (11, None)})
    assert result.modes["eager"] == Parts(100, 11, 29, 60)
    assert result.borrowed == ("eager", "native", "cudagraph")


def test_without_native_script_splits_and_is_named() -> None:
    result = found({"eager": (100, 10), "script": (50, 10), "cudagraph": (10, 10)})
    assert result.split_by == "script"
    assert result.modes["eager"] == Parts(100, 10, 40, 50)


def test_a_mode_that_fuses_operations_never_splits_the_hosts_time() -> None:
    result = found({"eager": (100, 10), "aoti": (20, 10), "cudagraph": (10, 10)})
    assert result.split_by == ""
    assert result.modes["eager"].framework == 90
    assert math.isnan(result.modes["eager"].interpreter)


def test_the_modes_of_every_sweep_are_no_ladder() -> None:
    assert not is_ladder(tidy(ladder_points(modes=("eager", "script", "trace"))))
    assert not is_ladder(tidy(ladder_points(modes=("script", "native"))))
    assert is_ladder(tidy(ladder_points(modes=("eager", "native"))))
    # On CPU a graph is unsupported: what was not measured makes no ladder either.
    assert not is_ladder(tidy(ladder_points("cpu", modes=("eager", "script", "cudagraph"))))
