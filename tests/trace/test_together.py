"""Who waited for whom, of ranks whose clocks have nothing to do with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_traces import Made

from harness.trace.answers.answer import answers
from harness.trace.answers.rows import rows
from harness.trace.answers.sentences import sentences
from harness.trace.looked import Rank, looked_at
from harness.trace.reading.reader import read_trace
from harness.trace.together import hold_together

ALL_REDUCE = "ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)"


def rank_of(number: int, late_us: float, clock_us: float, folder: Path, name: str = ALL_REDUCE) -> Rank:
    """A kernel of 50 us, then a collective that ends at 400 us of a common clock; late_us: how much later than at 160
    us it begins, because the host comes to launch it so late."""
    made = Made(number, 2)
    made.operator("aten::linear", clock_us + 90, 9)
    made.kernel(clock_us + 100, 50, clock_us + 95)
    made.kernel(clock_us + 160 + late_us, 240 - late_us, clock_us + 155 + late_us, name=name)
    return looked_at(read_trace(made.save(folder / f"rank{number}.json")))


def test_the_rank_that_comes_last_is_waited_for(tmp_path: Path) -> None:
    ranks = [rank_of(0, 0, 0, tmp_path), rank_of(1, 100, 7_000_000, tmp_path)]
    assert hold_together(ranks) == 1
    (first,) = ranks[0].waits[0]
    assert (first.end - first.start, first.straggler) == (100_000, 1)
    assert ranks[1].waits[0] == []
    # Of the straggler's 100 us before its collective all were its host's, but for the launch.
    assert first.by_host == 95_000
    waiting, late = (next(rows(rank)) for rank in ranks)
    assert waiting["collective_wait_share"] == pytest.approx(100 / 300)
    assert late["collective_wait_share"] == 0
    # 10 us of its own gap, and 100 in the collective, of which 95 are the other's host.
    assert waiting["others_host_share"] == pytest.approx(95 / 110)
    said = " ".join(sentences(answers(ranks)))
    assert "rank 0, device 0: 33.3% of the time it waited in collectives for other ranks" in said
    assert "100% of that for rank 1" in said


def test_one_rank_alone_says_nothing_of_waiting(tmp_path: Path) -> None:
    rank = rank_of(0, 0, 0, tmp_path)
    assert hold_together([rank]) == 0
    assert "collective_wait_share" not in next(rows(rank))


@pytest.mark.parametrize("name", ["ncclDevKernel_SendRecv(x)", "ncclKernel_Broadcast_RING_LL", "gemm"])
def test_what_does_not_end_on_all_at_once_is_not_matched(tmp_path: Path, name: str) -> None:
    ranks = [rank_of(0, 0, 0, tmp_path, name), rank_of(1, 100, 0, tmp_path, name)]
    assert hold_together(ranks) == 0
    assert ranks[0].waits == {}


def test_ranks_of_which_one_has_more_of_a_kind_are_not_matched(tmp_path: Path) -> None:
    ranks = [rank_of(0, 0, 0, tmp_path)]
    made = Made(1, 2)
    made.kernel(100, 50, 95, name=ALL_REDUCE)
    made.kernel(200, 50, 195, name=ALL_REDUCE)
    ranks.append(looked_at(read_trace(made.save(tmp_path / "rank1.json"))))
    assert hold_together(ranks) == 0


@pytest.mark.parametrize(
    ("other", "doubted"), [("ncclDevKernel_AllGather_RING_LL", True), (ALL_REDUCE, False)]
)
def test_ranks_that_have_no_collective_in_common_may_be_of_different_jobs(
    tmp_path: Path, other: str, doubted: bool
) -> None:
    ranks = [rank_of(0, 0, 0, tmp_path), rank_of(1, 100, 0, tmp_path, name=other)]
    hold_together(ranks)
    assert any("are they of one job" in text for text in sentences(answers(ranks))) is doubted
