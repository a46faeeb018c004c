"""Each point is run steadily for samplers, once its rounds are done, and only where something samples."""

from __future__ import annotations

import math
import statistics

import pytest
from cell_records import MODES, Measure, of_kind
from raw_runs import cell_of

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


def test_each_point_is_run_once_and_after_all_rounds(measure: Measure) -> None:
    records = measure(cell_of(MODES), window_s=0.05)
    windows = of_kind(records, "window")
    assert len(windows) == len({window["key"] for window in windows}) == len(MODES)
    last = max(block["end_ns"] for record in of_kind(records, "round") for block in record["blocks"])
    assert all(last < window["start_ns"] < window["end_ns"] for window in windows)


def test_a_point_makes_as_many_steps_as_should_take_the_time(measure: Measure) -> None:
    """By the median of its rounds: a time that all ranks know, so that they make as many steps."""
    window_s = 0.05
    records = measure(cell_of(MODES), window_s=window_s)
    step_ns: dict[str, list[float]] = {}
    for record in of_kind(records, "round"):
        for block in record["blocks"]:
            step_ns.setdefault(block["key"], []).append(
                (block["end_ns"] - block["start_ns"]) / block["steps"]
            )
    for window in of_kind(records, "window"):
        wanted = math.ceil(window_s * 1e6 / (statistics.median(step_ns[window["key"]]) / 1e3))
        assert window["steps"] == wanted > 1


def test_where_nothing_samples_there_is_no_window(measure: Measure) -> None:
    assert not of_kind(measure(cell_of(MODES)), "window")
