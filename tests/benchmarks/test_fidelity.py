"""The harness beside Timer and a plain script: what is compared with what, and one model that is measured."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from benchmarks import fidelity
from benchmarks.beside import script, timer
from benchmarks.beside.agreement import Mean, difference, mean_of, outside_both
from harness.timing.blocks import Block
from harness.workloads.model import MLP

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


def test_a_difference_is_positive_where_the_harness_reports_more() -> None:
    assert difference(Mean(103, NAN, NAN), Mean(100, NAN, NAN)) == pytest.approx(0.03)


def test_models_are_odd_drawn_anew_and_some_are_trained() -> None:
    models = list(fidelity.drawn_models(random.Random(1), 12))
    assert all(each.depth % 2 and each.width % 2 and each.batch % 2 for each in models)
    assert [each.workload for each in models[:3]] == ["forward", "forward", "train"]
    assert models == list(fidelity.drawn_models(random.Random(1), 12))
    assert models != list(fidelity.drawn_models(random.Random(2), 12))


def test_harness_over_timer_is_that_of_the_slowest_rank_and_of_rounds_alone() -> None:
    def of_rank(rank: int, end_ns: int) -> list[dict[str, object]]:
        block = {"key": "k", "steps": 2, "start_ns": 1000 + rank, "end_ns": 1000 + rank + end_ns}
        return [{"type": "session", "rank": rank}, {"type": "round", "round": 0, "blocks": [block]}]

    timed = {(0, 1000): 10.0, (1, 1001): 12.0, (0, 5): 99.0}  # the last is of a warm-up block
    ratios = fidelity.over_timer({"a": of_rank(0, 30_000), "b": of_rank(1, 18_000)}, timed)
    assert ratios == {"k": [pytest.approx(15 / 12)]}


def test_timer_makes_as_many_steps_on_the_same_callable_and_the_block_is_what_it_was(tmp_path: Path) -> None:
    calls: list[str] = []
    prepared = SimpleNamespace(own=[SimpleNamespace(call=lambda: calls.append("timer"))], steps=300)
    wanted = Block(300, 1234, 5678)

    def timed_block(self: object, usage: bool) -> Block:
        calls.extend(["harness"] * 300)
        return wanted

    both = timer.beside(timed_block, tmp_path / "rank0-1.jsonl")
    firsts = set()
    for _ in range(10):
        calls.clear()
        assert both(prepared, False) is wanted
        assert calls.count("harness") == 300 <= calls.count("timer")
        firsts.add(calls[0])
    assert firsts == {"timer", "harness"}
    lines = fidelity.timer_lines(tmp_path)
    assert list(lines) == [(0, 1234)]
    assert lines[0, 1234] > 0


def test_the_scripts_model_is_the_one_that_is_swept() -> None:
    sizes = list(fidelity.Model(5, 33, 3, "forward").sizes)
    theirs, ours = script.net(sizes), MLP(sizes)
    assert list(map(str, theirs)) == list(map(str, ours))


def test_the_script_times_as_many_blocks_as_it_is_told() -> None:
    model = script.net([4, 4, 2])
    with torch.inference_mode():
        found = script.measured(lambda: model(torch.ones(1, 4)), blocks=3, warm_up_s=0.01)
    assert len(found) == 3
    assert all(each > 0 for each in found)


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
