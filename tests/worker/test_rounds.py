"""Rounds are interleaved: one block of every mode, in an order of its own each time, the same on all ranks."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest
import torch
from cell_records import MODES, TIMING, Asynchronous, Measure, faulty, of_kind, orders
from raw_runs import cell_of

from harness.timing.bursts import LEAST_HOLD_NS, MOST_HOLD_NS

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


def test_every_round_has_one_block_of_every_mode(measure: Measure) -> None:
    cell = cell_of(MODES)
    rounds = of_kind(measure(cell), "round")
    assert [r["round"] for r in rounds] == list(range(len(rounds)))
    assert len(rounds) == TIMING.rounds
    for record in rounds:
        assert Counter(b["key"] for b in record["blocks"]) == Counter(p.key for p in cell.points)


def test_blocks_of_a_round_do_not_overlap_and_follow_their_order(measure: Measure) -> None:
    for record in of_kind(measure(cell_of(MODES)), "round"):
        times = [t for block in record["blocks"] for t in (block["start_ns"], block["end_ns"])]
        assert times == sorted(times)


def test_a_mode_has_the_same_number_of_steps_in_every_round(measure: Measure) -> None:
    records = measure(cell_of(MODES))
    prepared = {r["key"]: r["steps"] for r in of_kind(records, "prepared")}
    for record in of_kind(records, "round"):
        assert {b["key"]: b["steps"] for b in record["blocks"]} == prepared


def test_the_order_differs_between_rounds_and_is_given_by_the_seed(measure: Measure) -> None:
    """The same on every rank, since every rank has the same seed, cell and round and nothing else goes in."""
    cell = cell_of(MODES)
    first, again, other = (orders(measure(cell, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(set(first)) > 1


def test_the_order_differs_between_cells(measure: Measure) -> None:
    places = [
        [
            tuple(sorted(order).index(key) for key in order)
            for order in orders(measure(cell_of(MODES, batch=b)))
        ]
        for b in (3, 4)
    ]
    assert places[0] != places[1]


def test_without_usage_blocks_hold_times_alone(measure: Measure) -> None:
    (block, *_) = of_kind(measure(cell_of(["eager"]), usage=False), "round")[0]["blocks"]
    assert set(block) == {"key", "steps", "start_ns", "end_ns"}


def test_issue_and_device_time_are_recorded_with_every_block_of_an_asynchronous_device(
    measure: Measure,
) -> None:
    records = measure(cell_of(MODES), device=Asynchronous())
    blocks = [block for record in of_kind(records, "round") for block in record["blocks"]]
    assert all(block["issue_ns"] > 0 and block["device_ns"] == 10.0 for block in blocks)


def test_a_synchronous_device_has_neither(measure: Measure) -> None:
    records = measure(cell_of(MODES))
    assert not any(
        "issue_ns" in b or "device_ns" in b for r in of_kind(records, "round") for b in r["blocks"]
    )


class TakesTime(torch.nn.Module):
    """Takes so long to issue that the least hold is over before four steps are queued."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(LEAST_HOLD_NS / 1e9)
        return self.model(x)


def test_a_device_that_was_held_too_short_is_held_longer_and_not_longer_than_the_limit(
    measure: Measure,
) -> None:
    device = Asynchronous(enough_ns=float("inf"))
    records = measure(cell_of(["faulty"]), device=device, mode=faulty(TakesTime))
    assert all(b["device_ns"] is None for r in of_kind(records, "round") for b in r["blocks"])
    first, *_, last = device.holds
    assert first == LEAST_HOLD_NS < last <= MOST_HOLD_NS
    assert device.holds == sorted(device.holds)


class Noted(torch.nn.Module):
    """Notes when it is called."""

    def __init__(self, model: torch.nn.Module, calls: list[int]) -> None:
        super().__init__()
        self.model, self.calls = model, calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(time.monotonic_ns())
        return self.model(x)


def test_every_block_is_led_in_by_steps_that_are_not_timed(measure: Measure) -> None:
    """The first ones after another mode's block find cold caches."""
    calls: list[int] = []
    cell = cell_of(["eager", "faulty"])
    records = of_kind(measure(cell, mode=faulty(lambda model: Noted(model, calls))), "round")
    key = next(point.key for point in cell.points if point.mode == "faulty")
    before = 0
    for block in (block for record in records for block in record["blocks"]):
        if block["key"] == key:
            within = [at for at in calls if block["start_ns"] <= at <= block["end_ns"]]
            led_in = [at for at in calls if before < at < block["start_ns"]]
            assert len(within) == block["steps"]
            # Blocks of 0.2 ms are led in for ten times as long, by what their steps took when they were warm.
            assert len(led_in) > block["steps"] or before == 0
        before = block["end_ns"]


def test_the_first_round_has_a_device_time_though_the_least_hold_is_too_short(measure: Measure) -> None:
    """A cell may have time for one round alone."""
    device = Asynchronous(enough_ns=LEAST_HOLD_NS * 2)
    once = replace(TIMING, rounds=1, visit_rounds=1)
    records = measure(cell_of(["faulty"]), device=device, mode=faulty(TakesTime), timing=once)
    (record,) = of_kind(records, "round")
    assert record["blocks"][0]["device_ns"] > 0
