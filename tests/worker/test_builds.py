"""Several builds of a cell in one session, and a second build of eager beside the first."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
import torch
from cell_records import MODES, TIMING, Measure, faulty, of_kind, orders, refuse
from raw_runs import cell_of, key_of

from harness.devices.device import Device
from harness.records.naming import null_key
from harness.workloads.workload import Forward, Train

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

TWO_BUILDS = replace(TIMING, builds=2, rounds=4, visit_rounds=2)


def test_every_build_is_prepared_anew_and_measured_in_visits(measure: Measure) -> None:
    cell = cell_of(MODES)
    records = measure(cell, timing=TWO_BUILDS)
    assert [r["build"] for r in of_kind(records, "cell")] == [0, 1]
    assert Counter(r["key"] for r in of_kind(records, "prepared")) == {p.key: 2 for p in cell.points}
    rounds = of_kind(records, "round")
    assert [(r["round"], r["build"], r["visit"]) for r in rounds] == [
        *((0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 0, 1)),
        *((4, 1, 0), (5, 1, 0), (6, 1, 1), (7, 1, 1)),
    ]
    assert [r["stop"] for r in of_kind(records, "end")] == ["unfinished"] * 3 + ["complete"]


def test_the_rounds_of_a_cell_without_time_are_fewer_and_it_says_so(measure: Measure) -> None:
    records = measure(cell_of(MODES), timing=replace(TWO_BUILDS, max_cell_s=1e-6))
    assert [(r["round"], r["build"]) for r in of_kind(records, "round")] == [(0, 0), (4, 1)]
    assert of_kind(records, "end")[-1]["stop"] == "capped"


def test_the_number_of_rounds_does_not_depend_on_their_spread(measure: Measure) -> None:
    class Jumps(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model, self.calls = model, 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            for _ in range(self.calls % 7):
                self.model(x)
            return self.model(x)

    assert len(of_kind(measure(cell_of(["eager", "faulty"]), mode=faulty(Jumps)), "round")) == TIMING.rounds


def test_orders_differ_between_sessions(measure: Measure) -> None:
    first, again, other = (orders(measure(cell_of(MODES), session=name)) for name in ("a", "a", "b"))
    assert first == again != other


class TestNull:
    def test_a_null_is_a_second_build_of_eager_in_the_same_rounds(self, measure: Measure) -> None:
        cell = cell_of(MODES)
        records = measure(cell, null=True)
        null = null_key(key_of(cell, "eager"))
        for record in of_kind(records, "round"):
            assert Counter(b["key"] for b in record["blocks"]) == Counter(
                [null, *(p.key for p in cell.points)]
            )
        assert [r["mode"] for r in of_kind(records, "prepared")] == [*MODES, "null"]
        assert of_kind(records, "end")[-1]["keys"] == [p.key for p in cell.points]

    def test_without_eager_there_is_none(self, measure: Measure) -> None:
        records = measure(cell_of(["script"]), null=True)
        assert [r["mode"] for r in of_kind(records, "prepared")] == ["script"]

    def test_it_is_left_out_where_memory_is_short(self, measure: Measure) -> None:
        class Crowded(Device):
            def is_crowded(self) -> bool:
                return True

        records = measure(cell_of(MODES), null=True, device=Crowded())
        assert [r["mode"] for r in of_kind(records, "prepared")] == MODES

    def test_one_that_fails_costs_no_row(self, measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
        built = Forward.new_model
        calls: list[int] = []

        def fails_at_the_last(self: Forward) -> object:
            calls.append(1)
            # eager's outcome to compare with, then eager, script and trace
            return refuse(torch.nn.Identity()) if len(calls) == 5 else built(self)

        monkeypatch.setattr(Forward, "new_model", fails_at_the_last)
        cell = cell_of(MODES)
        records = measure(cell, null=True)
        assert len(calls) == 5
        assert not of_kind(records, "dropped")
        assert of_kind(records, "end")[-1]["keys"] == [p.key for p in cell.points]


class TestModelsOfTheirOwn:
    @pytest.mark.parametrize("kind", [Forward, Train])
    def test_each_has_the_same_parameters_in_places_of_its_own(self, kind: type) -> None:
        workload = kind(cell_of(sizes=(8, 8, 8)).points[0], Device(), 0, 3)
        first, second = workload.new_model(), workload.new_model()
        for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
            assert torch.equal(ours, theirs)
            assert ours.data_ptr() != theirs.data_ptr()

    def test_they_are_built_as_a_user_builds_them(self) -> None:
        """A deep copy's modules have dictionaries that share no keys, which makes every look-up in them slower."""
        workload = Train(cell_of(sizes=(8, 8, 8)).points[0], Device(), 0, 3)
        from harness.models.mlp import MLP

        plain, ours = MLP((8, 8, 8)), workload.new_model()
        sizes = [[module.__dict__.__sizeof__() for module in model.modules()] for model in (plain, ours)]
        assert sizes[0] == sizes[1]

    def test_under_inference_mode_they_are_no_inference_tensors(self) -> None:
        workload = Forward(cell_of().points[0], Device(), 0, 3)
        with torch.inference_mode():
            assert not any(p.is_inference() for p in workload.new_model().parameters())

    def test_places_differ_between_sessions(self) -> None:
        """By where the next allocation falls: the same seed and build would fall alike."""
        places: dict[str, list[int]] = defaultdict(list)
        for session in ("a", "b", "c", "d"):
            workload = Forward(cell_of().points[0], Device(), 0, 3, session)
            workload.new_model()
            places[session] = [held.numel() for held in workload._held if isinstance(held, torch.Tensor)]
        assert len({tuple(sizes) for sizes in places.values()}) > 1
