"""The harness beside Timer and a plain script: what is compared with what, and one model that is measured."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks import fidelity
from benchmarks.beside import alone, script, turns
from benchmarks.beside.agreement import Mean, mean_of, outside_both
from benchmarks.beside.peer import Peer
from benchmarks.beside.timer import by_timer
from harness.models.mlp import MLP
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.timing.blocks import Block

NAN = float("nan")


def test_the_mean_of_processes_has_an_interval_by_students_t() -> None:
    found = mean_of([100.0, 100.0 * math.exp(0.02)])
    assert found.value == pytest.approx(100 * math.exp(0.01))
    # Two values 0.02 apart: standard error 0.01, and 12.706 of it with one degree of freedom.
    assert math.log(found.high / found.value) == pytest.approx(0.12706, rel=1e-4)
    assert mean_of([5.0]).value == pytest.approx(5.0)
    assert math.isnan(mean_of([5.0]).low)


@pytest.mark.parametrize(
    ("ours", "theirs", "outside"),
    [
        (Mean(100, 95, 105), Mean(103, 102, 104), 0.0),  # inside one of both
        (Mean(110, 109, 111), Mean(100, 99, 101), 110 / 101 - 1),
        (Mean(100, 99, 101), Mean(110, 106, 111), 106 / 100 - 1),
        (Mean(110, NAN, NAN), Mean(100, NAN, NAN), 0.1),
    ],
)
def test_how_far_each_is_outside_the_others_interval(ours: Mean, theirs: Mean, outside: float) -> None:
    assert outside_both(ours, theirs) == pytest.approx(outside)
    assert outside_both(theirs, ours) == pytest.approx(outside)


def test_models_are_odd_drawn_anew_and_some_are_trained() -> None:
    models = list(fidelity.drawn_models(random.Random(1), 12))
    assert all(each.depth % 2 and each.width % 2 and each.batch % 2 for each in models)
    assert [each.workload for each in models[:3]] == ["forward", "forward", "train"]
    assert models == list(fidelity.drawn_models(random.Random(1), 12))
    assert models != list(fidelity.drawn_models(random.Random(2), 12))


def test_of_all_ways_the_slowest_rank_stands_beside_and_rounds_alone() -> None:
    def of_rank(rank: int, end_ns: int) -> list[dict[str, object]]:
        blocks = [
            {"key": k, "steps": 2, "start_ns": 1000 + rank, "end_ns": 1000 + rank + end_ns} for k in "kl"
        ]
        return [{"type": "session", "rank": rank}, {"type": "round", "round": 3, "blocks": blocks}]

    others = {
        (0, 1000): {"timer_us": 10.0, "script_us": 17.0},
        (1, 1001): {"timer_us": 12.0, "script_us": 16.0},
        (0, 5): {"timer_us": 99.0, "script_us": 99.0},  # of a warm-up block
    }
    table = fidelity.beside_blocks({"a": of_rank(0, 30_000), "b": of_rank(1, 18_000)}, others, "k")
    assert table.to_dict("index") == {3: {"harness_us": 15.0, "timer_us": 12.0, "script_us": 17.0}}


def test_all_ways_take_turns_each_led_in_and_the_block_is_what_it_was(tmp_path: Path) -> None:
    calls: list[str] = []
    wanted = Block(300, 1234, 5678)

    def timed_block(self: object, usage: bool) -> Block:
        calls.append("harness")
        return wanted

    def way(name: str, found_us: float) -> turns.Way:
        def timed() -> float:
            calls.append(name)
            return found_us

        return timed

    prepared = SimpleNamespace(lead_steps=7, timer=lambda steps, usage: calls.append(f"{steps} untimed"))
    others = {"timer_us": way("timer", 2.0), "script_us": way("script", 3.0)}
    all_of_them = turns.in_turns(timed_block, lambda _: others, tmp_path / "rank0-1.jsonl")
    firsts = set()
    for _ in range(20):
        calls.clear()
        assert all_of_them(prepared, False) is wanted
        assert calls[::2] == ["7 untimed"] * 3
        assert sorted(calls[1::2]) == ["harness", "script", "timer"]
        firsts.add(calls[1])
    assert firsts == {"timer", "harness", "script"}
    assert fidelity.lines_beside(tmp_path) == {(0, 1234): {"timer_us": 2.0, "script_us": 3.0}}


def test_timer_makes_as_many_steps_on_the_same_callable() -> None:
    calls: list[int] = []
    prepared = SimpleNamespace(own=[SimpleNamespace(call=lambda: calls.append(1))], steps=300)
    assert by_timer(prepared) > 0
    assert len(calls) >= 300


def test_the_scripts_model_is_the_one_that_is_swept() -> None:
    sizes = list(fidelity.Model(5, 33, 3, "forward").points[0].sizes)
    theirs, ours = script.net(sizes), MLP(sizes)
    assert list(map(str, theirs)) == list(map(str, ours))


def test_the_script_makes_the_steps_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []
    script.serve(lambda: calls.append(1), ["3 4\n", "1 1\n"])
    assert len(calls) == 3 + 4 + 1 + 1
    ready, *found = capsys.readouterr().out.splitlines()
    assert ready == script.READY
    assert len(found) == 2
    assert all(float(each) > 0 for each in found)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_peer_is_a_process_on_its_own_cores_and_ends_when_told(tmp_path: Path) -> None:
    config = fidelity.Model(3, 33, 3, "forward").config
    point = make_plan(config, Inventory("cpu", 1, "", 1)).points[0]
    mine = os.sched_getaffinity(0)
    first = min(mine)
    os.sched_setaffinity(0, [max(mine)])  # as a rank is that starts one
    try:
        peer = Peer(point, 0, tmp_path / "store", allowed=mine, pinned=[first])
        loose = Peer(point, 0, tmp_path / "store", allowed=mine, pinned=None)
        assert os.sched_getaffinity(0) == {max(mine)}
        for each in (peer, loose):
            each.wait_until_ready()
            assert each.step_us(2, 5) > 0
        assert os.sched_getaffinity(peer.pid) == {first}
        assert os.sched_getaffinity(loose.pid) == mine
        for each in (peer, loose):
            each.close()
        with pytest.raises((RuntimeError, ValueError)):
            peer.step_us(1, 1)
    finally:
        os.sched_setaffinity(0, mine)


@pytest.mark.long
def test_all_ways_of_timing_a_model_under_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fidelity", "--quick", "--seed", "5", "--out", str(tmp_path)])
    assert fidelity.main() in (0, 1)  # one process of each, beside other tests, proves nothing
    table = pd.read_csv(tmp_path / "fidelity.csv")
    assert table["mode"].tolist() == ["eager", "script"]
    assert (table["workload"] == "train").all()
    assert (table[["harness_us", "script_us", "unpinned_us"]] > 0).all().all()
    # They time the same step: nothing is off by an order of magnitude.
    assert table["from_timer"].between(-0.9, 9).all()
    assert table["from_script"].between(-0.9, 9).all()
    assert json.loads(table[["depth"]].to_json())["depth"]["0"] % 2 == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_several_ranks_scripts_run_alone_in_blocks_that_follow_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []

    class Peer:
        def __init__(self, point: Any, rank: int, store: Path, **cores: Any) -> None:
            self.rank = rank
            assert (cores["pinned"] is None) or cores["pinned"]

        def wait_until_ready(self) -> None:
            pass

        def ask(self, lead: int, steps: int) -> None:
            asked.append((self.rank, lead))

        def answer_us(self) -> float:
            return 10.0 + self.rank

        def close(self) -> None:
            asked.append((self.rank, -1))

    monkeypatch.setattr(alone, "Peer", Peer)
    (point, _) = fidelity.Model(3, 33, 3, "train").points
    assert alone.step_us(point, pinned=False) == 11.0  # the slowest rank's
    leads = [lead for rank, lead in asked if rank == 0]
    assert leads == [alone.LEAD, *[1] * alone.BLOCKS, -1]
