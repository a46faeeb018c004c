"""The replay gives the trace itself where nothing is changed, and what a changed host would have given."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from made_traces import OTHER, Made

from harness.trace.answers.rows import rows
from harness.trace.bounds import COMPILE, DEVICE, FASTER, GRAPHS, PROCESS, bounds
from harness.trace.host import HOST_PARTS, KINDS
from harness.trace.looked import Rank, looked_at
from harness.trace.reading.reader import read_trace
from harness.trace.replay import Replay

US = 1000


def rank_of(made: Made, folder: Path) -> Rank:
    return looked_at(read_trace(made.save(folder / "trace.json")))


def late_host(steps: int = 3, kernels: int = 4) -> Made:
    """Each kernel takes 10 us, and the host 50 from one launch to the next, 40 of them in operators."""
    made, now = Made(), 100.0
    for step in range(steps):
        begun = now
        for number in range(kernels):
            made.operator("aten::linear", now, 40)
            made.kernel(now + 44, 10, now + 38, name=f"kernel{number}")
            now += 50
        made.step(step, begun, now - begun)
    return made


def predicted(made: Made, folder: Path) -> dict[str, float]:
    """us by change, of the one device."""
    return {bound.change: bound.predicted / US for bound in bounds(rank_of(made, folder))}


def test_nothing_changed_is_the_trace_itself(tmp_path: Path) -> None:
    """Whatever it holds: streams, blocked hosts, launches that are missing, work that is held back."""
    draw = random.Random(7)
    for _ in range(20):
        made, now, ends = Made(), 1000.0, dict.fromkeys((7, 20), 0.0)
        for _ in range(80):
            now += draw.uniform(2, 30)
            stream = draw.choice((7, 7, 20))
            start = max(now + draw.uniform(2, 12), ends[stream] + draw.uniform(0.5, 2))
            ends[stream] = start + draw.uniform(1, 60)
            launched = None if draw.random() < 0.05 else now
            made.kernel(start, ends[stream] - start, launched, stream=stream)
            if draw.random() < 0.1:
                made.call("cudaStreamSynchronize", now + 2, max(ends[stream] - now, 1) + 3)
                now = max(ends[stream] + 5, now + 3)
            elif draw.random() < 0.1:
                made.call("cudaStreamWaitEvent", now + 2, 1)
        rank = rank_of(made, tmp_path)
        (device,) = rank.whole
        assert Replay(rank.idle, rank.whole).spans({})[0] == pytest.approx(device.span, rel=1e-3)


def test_a_late_host_that_is_faster(tmp_path: Path) -> None:
    found = predicted(late_host(), tmp_path)
    # 12 launches, 50 us apart; from the first to the last, and the last kernel.
    assert pytest.approx(560) == 11 * 50 + 10
    assert found[FASTER] == pytest.approx(11 * 25 + 10)
    # No call but launches, of 2 us each.
    assert found[COMPILE] == pytest.approx(12 * 10)
    assert found[GRAPHS] == found[DEVICE] == pytest.approx(12 * 10)
    assert PROCESS not in found


def test_what_a_graph_cannot_hold_is_left_as_it_is(tmp_path: Path) -> None:
    made = late_host()
    made.kernel(270, 10, 265, name="only in one step")
    found = predicted(made, tmp_path)
    assert found[DEVICE] == pytest.approx(13 * 10)
    # The host time before that one launch: 27 us since the launch before it.
    assert found[GRAPHS] == pytest.approx(13 * 10 + 27 - 4 * 10, abs=35)
    assert found[GRAPHS] > found[DEVICE] - 1


def test_without_steps_nothing_is_said_of_graphs(tmp_path: Path) -> None:
    made = late_host(steps=1)
    assert GRAPHS not in predicted(made, tmp_path)


def test_a_host_that_waits_for_the_device_still_does(tmp_path: Path) -> None:
    """Two kernels of 100 us, and the host waits for the first before it launches the second."""
    made = Made()
    made.kernel(104, 100, 100)
    made.call("cudaDeviceSynchronize", 103, 105)
    made.operator("aten::add", 210, 90)
    made.kernel(304, 100, 300)
    rank = rank_of(made, tmp_path)
    replay = Replay(rank.idle, rank.whole)
    nothing = dict.fromkeys(HOST_PARTS, 0.0)
    # The call of the runtime that blocked returned 4 us after the kernel; from there on the launch takes its 4 us.
    assert replay.spans(nothing)[0] == pytest.approx((100 + 4 + 4 + 100) * US)
    assert replay.spans(dict.fromkeys(KINDS, 0.0), blocks=False)[0] == pytest.approx(200 * US, abs=5 * US)


def test_one_thread_for_two_devices(tmp_path: Path) -> None:
    """Of a host that feeds two devices by turns, each waits for what is done for the other."""
    made, now = Made(), 100.0
    for _ in range(6):
        for device in (0, 1):
            made.operator("aten::linear", now, 40)
            made.kernel(now + 44, 10, now + 38, device=device)
            now += 50
    rank = rank_of(made, tmp_path)
    found = {(bound.device.number, bound.change): bound.predicted / US for bound in bounds(rank)}
    assert found[0, PROCESS] == pytest.approx(5 * 50 + 10)
    assert rank.whole[0].span == (5 * 100 + 10) * US
    # From this device's first launch to the end of its last, in which the process fed eleven kernels of 10 us, five of
    # them to the other device.
    row = next(rows(rank))
    assert row["issue_us"] == pytest.approx(10 * 50 + 2)
    assert row["feedable_devices"] == pytest.approx((6 * 10 + 6 * 10 - 10) / (10 * 50 + 2))


def test_a_factor_for_each_launch(tmp_path: Path) -> None:
    rank = rank_of(late_host(steps=1), tmp_path)
    replay = Replay(rank.idle, rank.whole)
    only_last = np.array([1.0, 1.0, 1.0, 0.0])
    found = replay.spans(dict.fromkeys(KINDS, only_last))
    assert found[0] == pytest.approx((2 * 50 + 20) * US)


def test_other_threads_take_their_turns(tmp_path: Path) -> None:
    """As the autograd thread, which launches while the main thread waits for it in Python."""
    made = Made()
    made.kernel(104, 10, 100)
    made.kernel(154, 10, 150, thread=OTHER)
    rank = rank_of(made, tmp_path)
    assert Replay(rank.idle, rank.whole).spans({})[0] == 60 * US


def test_what_was_launched_just_before_the_device_ran_dry_began_when_the_launch_had_got_through(
    tmp_path: Path,
) -> None:
    """A launch takes 7 us to begin. The second kernel is launched 1 us before the first ends: what it began after was
    its launch, so that with both launched beforehand nothing is between them."""
    made = Made()
    for turn in range(10):
        now = 100.0 + 45 * turn
        made.kernel(now + 12, 4, now + 5)
        made.kernel(now + 22, 5, now + 15)
    assert predicted(made, tmp_path)[DEVICE] == pytest.approx(10 * (4 + 5))


def test_what_was_queued_keeps_its_distance_from_the_work_before_it(tmp_path: Path) -> None:
    made = Made()
    for turn in range(10):
        made.kernel(200 + 51 * turn, 50, 100 + 2 * turn)
    assert predicted(made, tmp_path)[DEVICE] == pytest.approx(10 * 51 - 1)
