"""What other programs took of the cores while a cell's blocks ran, from samples of the host."""

from __future__ import annotations

import json

import numpy as np
import pytest
from raw_runs import RawRun, cell_of, row
from sampled_runs import PERIOD_NS, Sampler

from harness.analysis.sampled.others import SAME_VISIT_NS, visits
from harness.core.cpu_time import busy_seconds, share_of_others


def sampled(raw: RawRun, first_ns: int, busy: float, own: float, *, cores: int = 2) -> None:
    """Samples over the whole run: of `cores` cores so many were busy, `own` of them with the sweep."""
    sampler = Sampler(raw.directory, (), allowed_cores=cores, usable_cores=cores)
    with sampler.path.open("a") as file:
        for at in range(first_ns - PERIOD_NS, raw.now_ns + 2 * PERIOD_NS, PERIOD_NS):
            host = {"busy_s": busy * at / 1e9, "own_s": own * at / 1e9}
            file.write(json.dumps({"type": "sample", "t_ns": at, "devices": [], "host": host}) + "\n")


@pytest.mark.parametrize(
    ("busy", "own", "share", "expected"),
    [
        (2.0, 1.0, 0.5, "loaded"),
        (1.0, 1.0, 0.0, ""),
        (2.0, 2.0, 0.0, ""),
        (1.25, 1.0, 0.125, "loaded"),
        (1.1, 1.0, 0.05, ""),
    ],
)
def test_a_row_is_loaded_where_others_took_a_tenth_of_the_cores(
    raw: RawRun, busy: float, own: float, share: float, expected: str
) -> None:
    cell, first = cell_of(), raw.now_ns
    raw.plan(cell)
    raw.measure(raw.begin("s", each=[{"host": "here"}]), cell)
    sampled(raw, first, busy, own)
    found = row(raw)
    assert found["others_share"] == pytest.approx(share, abs=1e-6)
    assert found["warnings"] == expected


def test_without_samples_nothing_is_said(raw: RawRun) -> None:
    cell = cell_of()
    raw.plan(cell)
    raw.session("s", [cell])
    assert np.isnan(row(raw)["others_share"])
    assert row(raw)["warnings"] == ""


def test_what_others_do_between_two_visits_does_not_count() -> None:
    starts = np.array([0, 10, SAME_VISIT_NS * 5], np.int64)
    assert visits(starts, starts + 5).tolist() == [[0, 15], [SAME_VISIT_NS * 5, SAME_VISIT_NS * 5 + 5]]


def test_a_quota_leaves_cores_to_others_that_are_no_loss() -> None:
    """Of 8 cores a quota of 2 can use 2: six busy ones take nothing, the seventh takes one of the two."""
    assert share_of_others(6.0, 1.0, 8, 2) == 0.0
    assert share_of_others(7.0, 1.0, 8, 2) == 0.5
    assert share_of_others(1.0, 1.0, 2, 2) == 0.5


def test_cores_that_may_not_be_used_do_not_count() -> None:
    stat = b"cpu  9 9 9 9 9 9 9 9\ncpu0 100 0 100 500 50 0 0 0 0 0\ncpu1 700 0 0 0 0 0 0 0 0 0\nintr 1\n"
    assert busy_seconds(stat, {0}) == 2.0
    assert busy_seconds(stat, {0, 1}) == 9.0
    assert busy_seconds(stat, {0, 7}) is None
