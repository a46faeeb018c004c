"""Predicted crossovers: where the profile's device takes as long as the host issues, with both errors."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from known_crossovers import table
from synthetic import make_run

from harness.core.emulated import load_profile
from harness.costs.step import fit
from harness.crossover.data import crossover_data, rows
from harness.crossover.predicted import LARGEST_BATCH, predicted_crossovers, profiles
from harness.crossover.values import BELOW, BEYOND, SHARE, THRESHOLDS, At
from harness.crossover.words import said
from harness.kernels.shape import Shape
from harness.kernels.step import device_us, launches

RUN = make_run(table(batches=(1, 16, 256, 4096)))


def test_the_devices_stand_beside_each_other_marked_as_predicted() -> None:
    found = predicted_crossovers(RUN, profiles())
    names = [each.of["device_name"] for each in found]
    assert [name.split()[1][:4] for name in names] == ["V100", "A100", "H100", "H200"]
    for each in found:
        assert each.predicted
        assert not each.cells
        assert each.said.startswith(f"Predicted for {each.of['device_name']}, not measured: At depth 64")
    assert set(rows(found)["measured"]) == {"predicted"}
    assert len(crossover_data(found)["predicted"]) == 4


def test_a_higher_threshold_is_reached_at_no_larger_a_batch() -> None:
    found = predicted_crossovers(RUN, profiles(), THRESHOLDS)
    assert len(found) == 4 * len(THRESHOLDS)
    for device in {each.of["device_name"] for each in found}:
        own = [each for each in found if each.of["device_name"] == device]
        assert [each.threshold for each in own] == list(THRESHOLDS)
        batches = [each.contour[0].batch for each in own]
        assert batches == sorted(batches, reverse=True)
        assert device.startswith("Tesla") or batches[0] > batches[-1]
    alone = predicted_crossovers(RUN, profiles(), [0.25])
    assert alone == [each for each in found if each.threshold == 0.25]


def test_a_band_over_more_than_a_factor_of_100_is_no_knowledge_and_the_sentence_says_so() -> None:
    wide = At(4.0, 50.0, 1.0, 101.0, 1.0, 1024.0, measured=True)
    narrow = replace(wide, high=100.0)
    beyond = replace(wide, batch=math.inf, low=math.inf, high=math.inf)
    assert (wide.placed, narrow.placed, beyond.placed) == (False, True, True)
    assert not replace(wide, high=math.inf).placed
    text = said(SHARE, 0.25, wide, predicted=True)
    assert text == (
        "At depth 4 it is not known where the interpreter stops mattering (dispatch share below 25 %): anywhere from "
        "batch 1 to 100."
    )
    assert "not known" not in said(SHARE, 0.25, wide) + said(SHARE, 0.25, narrow, predicted=True)


def test_the_data_of_a_page_says_at_each_threshold_whether_a_prediction_is_known() -> None:
    found = predicted_crossovers(RUN, profiles(), THRESHOLDS)
    maps = crossover_data(found)["predicted"]
    told = {
        (one["of"]["device_name"], each["threshold"]): each["placed"]
        for one in maps
        for each in one["contours"]
    }
    assert told == {
        (each.of["device_name"], each.threshold): "it is not known" not in each.said for each in found
    }
    assert set(told.values()) == {True, False}
    ends = {(at[5], at[6]) for one in maps for each in one["contours"] for at in each["at"]}
    assert ends == {(1, LARGEST_BATCH)}


def test_at_the_crossover_the_device_takes_all_but_the_threshold_of_the_hosts_time() -> None:
    profile = load_profile("h100x8")
    eager = RUN.points[RUN.points["mode"] == "eager"]
    (cost,) = fit(eager).costs
    (found,) = predicted_crossovers(RUN, [profile], [0.1])
    for at in found.contour:
        shape = Shape((64,) * (round(at.depth) + 1), 1, "forward", 4)
        host = cost.issue.us(at.depth) + launches(shape, "eager") * profile.launch_host_us
        batch = round(at.batch)
        assert device_us(shape.at(batch), profile) >= 0.9 * host
        assert device_us(shape.at(batch - 1), profile) < 0.9 * host
        assert at.low <= at.batch <= at.high


def test_a_device_without_kernel_times_of_its_own_says_so_and_the_others_do_not() -> None:
    notes = {each.of["device_name"]: " ".join(each.notes) for each in predicted_crossovers(RUN, profiles())}
    assert "another device's constants" in notes["NVIDIA H200"]
    assert not any("another device's" in text for name, text in notes.items() if name != "NVIDIA H200")


def test_a_larger_error_of_the_profile_makes_a_wider_band() -> None:
    profile = load_profile("h100x8")
    loose = replace(
        profile, errors={name: replace(e, low=0.1, high=10.0) for name, e in profile.errors.items()}
    )
    unknown = replace(profile, errors={})
    (narrow,), (wide,), (none,) = (predicted_crossovers(RUN, [each]) for each in (profile, loose, unknown))
    assert wide.contour[0].high > narrow.contour[0].high
    assert not none.contour[0].known


def test_depths_beyond_those_of_the_run_are_not_asked() -> None:
    (found,) = predicted_crossovers(RUN, profiles()[:1])
    assert (found.contour[0].depth, found.contour[-1].depth) == (4, 64)
    assert {at.depth for at in found.contour if at.measured} == {4, 16, 64}


def test_a_device_that_is_slow_or_fast_enough_has_no_crossover_and_says_so() -> None:
    slow = load_profile("h100x8")
    slow = replace(slow, queued_gap_us=1e3)
    fast = replace(slow, queued_gap_us=0.0, launch_host_us=1e9)
    (below,), (beyond,) = (predicted_crossovers(RUN, [each]) for each in (slow, fast))
    assert {at.side for at in below.contour} == {BELOW}
    assert {at.side for at in beyond.contour} == {BEYOND}
    assert f"lies beyond batch {LARGEST_BATCH:,}" in beyond.said
    assert all(math.isinf(at.batch) for at in beyond.contour)


@pytest.mark.parametrize(
    "options", [{"modes": ("script",)}, {"depths": (4,)}, {"batches": (1,), "depths": (4, 16)}]
)
def test_where_the_host_time_cannot_be_fitted_nothing_is_predicted(
    options: dict[str, tuple[object, ...]],
) -> None:
    assert predicted_crossovers(make_run(table(**options)), profiles()) == []  # type: ignore[arg-type]
