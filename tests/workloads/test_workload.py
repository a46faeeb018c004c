"""Steps of both workloads: what one does, and what is held against eager's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from harness.devices.device import Device
from harness.modes import Mode, get_mode
from harness.plan.points import Point
from harness.workloads.comparison import TOLERANCE, difference
from harness.workloads.source import LEARNING_RATE
from harness.workloads.workload import Forward, Train

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

POINT = Point("mlp-8x3", (8, 8, 8, 8), 3, 8, 4, 1, "processes", "forward", "float32", "eager", "weak")


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process group of this process alone."""
    path: Path = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", store=dist.FileStore(str(path), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class Altered(Mode):
    """Computes with one weight changed by a little."""

    name, needs_python = "altered", True

    def __init__(self, by: float) -> None:
        self.by = by

    def prepare(self, model, example):
        with torch.no_grad():
            model[0].weight[0, 0] += self.by
        return model


class TestForward:
    @pytest.mark.parametrize("mode", ["eager", "script", "trace"])
    def test_a_step_is_one_call_of_the_model_on_the_shard(self, mode: str) -> None:
        workload = Forward(POINT, Device(), shard=0, seed=1)
        with workload.context():
            step = workload.built(get_mode(mode))
            assert difference([step.call()], [workload.new_model()(workload.example)]) <= TOLERANCE["float32"]
            assert (
                difference(step.outcome(), [workload.new_model()(workload.example)]) <= TOLERANCE["float32"]
            )

    def test_no_graph_for_gradients_is_kept(self) -> None:
        workload = Forward(POINT, Device(), shard=0, seed=1)
        with workload.context():
            assert not workload.built(get_mode("eager")).call().requires_grad

    def test_a_wrong_mode_differs_by_more_than_the_tolerance(self) -> None:
        workload, other = (Forward(POINT, Device(), shard=0, seed=1) for _ in range(2))
        with workload.context():
            reference = workload.built(get_mode("eager")).outcome()
            outcome = other.built(Altered(0.1)).outcome()
        assert difference(outcome, reference) > TOLERANCE["float32"]

    def test_ranks_share_the_model_and_not_the_samples(self) -> None:
        first, second = (Forward(POINT, Device(), shard=rank, seed=1) for rank in (0, 1))
        for a, b in zip(first.new_model().parameters(), second.new_model().parameters(), strict=True):
            assert torch.equal(a, b)
        assert not torch.equal(first.example, second.example)

    def test_under_strong_scaling_a_rank_has_its_share_of_the_batch(self) -> None:
        point = replace(POINT, batch=12, devices=3, scaling="strong")
        assert Forward(point, Device(), shard=2, seed=1).example.shape == (4, 8)
        assert Forward(replace(point, scaling="weak"), Device(), shard=2, seed=1).example.shape == (12, 8)


@pytest.mark.usefixtures("group")
class TestTrain:
    point = replace(POINT, workload="train")

    def workload(self) -> Train:
        return Train(self.point, Device(), shard=0, seed=1)

    @pytest.mark.parametrize("mode", ["eager", "script", "trace"])
    def test_every_mode_trains_as_eager_does(self, mode: str) -> None:
        workload = self.workload()
        steps = [workload.built(get_mode(name)) for name in ("eager", mode)]
        for _ in range(3):
            reference, outcome = (step.outcome() for step in steps)
            assert difference(outcome, reference) <= TOLERANCE["float32"]

    def test_the_outcome_is_the_loss_and_a_gradient_for_each_parameter(self) -> None:
        workload = self.workload()
        outcome = workload.built(get_mode("eager")).outcome()
        assert [t.shape for t in outcome] == [
            torch.Size(()),
            *(p.shape for p in workload.new_model().parameters()),
        ]
        assert all(tensor.abs().max() > 0 for tensor in outcome)

    def test_a_step_moves_the_parameters_against_the_gradient(self) -> None:
        workload = self.workload()
        step = workload.built(get_mode("eager"))
        first = step.outcome()
        second = step.outcome()
        downhill = sum(float((g * g).sum()) for g in first[1:])
        assert (first[0] - second[0]).item() == pytest.approx(LEARNING_RATE * downhill, rel=0.2)

    def test_hundreds_of_steps_neither_diverge_nor_come_to_rest(self) -> None:
        step = self.workload().built(get_mode("eager"))
        losses = [step.call().item() for _ in range(200)]
        assert 0.8 * losses[0] < losses[-1] < losses[0]

    def test_each_mode_has_parameters_of_its_own(self) -> None:
        workload = self.workload()
        before = [p.clone() for p in workload.new_model().parameters()]
        first = workload.built(get_mode("eager"))
        for _ in range(3):
            first.call()
        assert all(torch.equal(a, b) for a, b in zip(before, workload.new_model().parameters(), strict=True))

    def test_gradients_of_one_step_are_not_added_to_the_last(self) -> None:
        """The gradient after 20 steps of little change is that of one step, not 20 times as large."""
        step = self.workload().built(get_mode("eager"))
        first = step.outcome()
        for _ in range(20):
            last = step.outcome()
        assert difference(last, first) < 0.2

    def test_a_wrong_mode_differs_by_more_than_the_tolerance(self) -> None:
        workload = self.workload()
        reference = workload.built(get_mode("eager")).outcome()
        assert difference(workload.built(Altered(0.1)).outcome(), reference) > TOLERANCE["float32"]

    def test_parameters_that_get_no_gradient_are_a_difference(self) -> None:
        class Frozen(Mode):
            name, needs_python = "frozen", True

            def prepare(self, model, example):
                model[0].weight.requires_grad_(False)
                return model

        workload = self.workload()
        reference = workload.built(get_mode("eager")).outcome()
        assert difference(workload.built(Frozen()).outcome(), reference) == float("inf")
