"""Threads that had to share a core are found, and mark the rows of their session under every workload."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_runs import RawRun, cell_of, row

from harness.analysis.collected.placement import with_own_core

APART, TOGETHER = [{"issuing_cores": [[0]]}, {"issuing_cores": [[1]]}], [{"issuing_cores": [[0]]}] * 2


@pytest.mark.parametrize(
    ("threads", "placed"),
    [
        ([], 0),
        ([{0}, {1}], 2),
        ([{0}, {0}], 1),
        ([{0, 1}, {0, 1}], 2),
        ([{0, 1}] * 3, 2),
        ([{0}, {0}, {1, 2}], 2),  # as many different cores as threads, and yet two share one
        ([{0, 1}, {0}, {1, 2}], 3),  # who came first has to make room
        ([*({core, core + 1} for core in range(2000)), {0}], 2001),  # all who came first have to
    ],
    ids=range(8),
)
def test_as_many_threads_as_can_have_a_core_each(threads: list[set[int]], placed: int) -> None:
    assert with_own_core([frozenset(each) for each in threads]) == placed


@pytest.mark.parametrize("workload", ["forward", "train"])
@pytest.mark.parametrize(("each", "expected"), [(APART, ""), (TOGETHER, "oversubscribed")])
def test_ranks_on_one_core_are_oversubscribed(
    raw: RawRun, workload: str, each: list[dict[str, list[list[int]]]], expected: str
) -> None:
    cell = cell_of(devices=2, workload=workload)
    raw.plan(cell)
    writers = raw.begin("s", 2, each)
    raw.measure(writers, cell)
    assert row(raw, devices=2)["warnings"] == expected


def test_ranks_that_were_moved_late_are_found_by_their_last_word(raw: RawRun) -> None:
    cell = cell_of(devices=2)
    raw.plan(cell)
    writers = raw.begin("s", 2, APART)
    raw.measure(writers, cell)
    for writer in writers:
        writer.write("closing", wall_s=1.0, busy_s=1.0, issuing_cores=[[0]])
    assert row(raw, devices=2)["warnings"] == "oversubscribed"


def test_cores_of_two_hosts_are_not_the_same(raw: RawRun) -> None:
    cell = cell_of(devices=2)
    raw.plan(cell)
    each = [{"host": f"node{rank}", **said} for rank, said in enumerate(TOGETHER)]
    raw.measure(raw.begin("s", 2, each), cell)
    assert row(raw, devices=2)["warnings"] == ""


def test_ranks_that_do_not_know_their_cores_say_nothing(raw: RawRun) -> None:
    cell = cell_of(devices=2)
    raw.plan(cell)
    raw.measure(raw.begin("s", 2, [{"issuing_cores": None}, {"issuing_cores": [[]]}]), cell)
    assert row(raw, devices=2)["warnings"] == ""


@pytest.mark.parametrize(
    ("workload", "preemptions", "expected"),
    # Under `forward` the thread's share of a core tells it, see test_row_warnings.
    [("forward", 1, ""), ("train", 0, ""), ("train", 1, "oversubscribed")],
)
def test_a_core_that_changes_hands_all_the_time_is_shared(
    tmp_path: Path, workload: str, preemptions: int, expected: str
) -> None:
    """A block lasts 0.1 to 0.3 ms here: one loss of the core in each are thousands a second."""
    raw, cell = RawRun(tmp_path / "run"), cell_of(workload=workload)
    raw.plan(cell)
    raw.session("s", [cell], extra={"preemptions": preemptions})
    assert row(raw)["warnings"] == expected
