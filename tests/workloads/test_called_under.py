"""What a forward step is called under, and its model made under."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.devices.device import Device
from harness.modes import Mode, get_mode
from harness.plan.points import Point
from harness.workloads.comparison import TOLERANCE, Mismatch, difference
from harness.workloads.cpu_check import Rehearsal
from harness.workloads.workload import Forward

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

POINT = Point("mlp-9x3", (9, 9, 9, 9), 3, 9, 4, 1, "processes", "forward", "float32", "eager", "weak")
ALL = ["grad", "no_grad", "inference", "inference_model"]


def forward(autograd: str, dtype: str = "float32") -> Forward:
    return Forward(replace(POINT, autograd=autograd, dtype=dtype), Device(), shard=0, seed=1)


@pytest.mark.parametrize("autograd", ALL)
@pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace"])
def test_a_step_records_under_grad_alone(autograd: str, mode: str) -> None:
    workload = forward(autograd)
    with workload.context():
        step = workload.built(get_mode(mode))
        output = [step.call() for _ in range(4)][-1]
    assert output.requires_grad is (autograd == "grad")
    assert (output.grad_fn is not None) is (autograd == "grad")
    assert output.is_inference() is autograd.startswith("inference")


@pytest.mark.parametrize("autograd", ALL)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_model_is_in_eval_and_what_is_made_under_inference_mode_is_made_of_its_tensors(
    autograd: str, dtype: str
) -> None:
    workload = forward(autograd, dtype)
    model = workload.new_model()
    assert not model.training
    for parameter in model.parameters():
        assert parameter.is_inference() is (autograd == "inference_model")
        assert parameter.requires_grad
    assert not workload.example.is_inference()


@pytest.mark.parametrize("autograd", ALL)
def test_the_outcome_keeps_no_graph_and_is_the_same_under_each(autograd: str) -> None:
    workload, other = forward(autograd), forward("inference")
    with workload.context():
        (outcome,) = workload.built(get_mode("script")).outcome()
    with other.context():
        reference = other.built(get_mode("eager")).outcome()
    assert not outcome.requires_grad
    assert difference([outcome], reference) <= TOLERANCE["float32"]


@pytest.mark.parametrize("mode", ["script", "trace"])
def test_a_mode_is_built_and_first_called_under_what_it_is_called_under_later(mode: str) -> None:
    """TorchScript that was first called with gradients recorded saves inference tensors for them, and raises."""
    workload = forward("inference")
    step = workload.built(get_mode(mode))
    with workload.context():
        for _ in range(3):
            assert not step.call().requires_grad


class Silent(Mode):
    """Computes what eager computes, and never records."""

    name, needs_python = "silent", True

    def prepare(self, model, example):
        return torch.no_grad()(model.forward)


class Loud(Mode):
    """Records, whatever it is called under."""

    name, needs_python = "loud", True

    def prepare(self, model, example):
        return torch.enable_grad()(model.forward)


@pytest.mark.parametrize(
    ("mode", "autograd", "said"),
    [(Silent(), "grad", "recorded nothing"), (Loud(), "no_grad", "recorded for")],
)
def test_a_mode_that_does_not_run_as_it_is_asked_to_is_a_mismatch(
    mode: Mode, autograd: str, said: str
) -> None:
    workload = forward(autograd)
    with workload.context(), pytest.raises(Mismatch, match=said):
        workload.built(mode).outcome()


@pytest.mark.parametrize("autograd", ALL)
def test_the_check_on_a_cpu_copy_runs_under_the_same(autograd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.modes import registry

    seen: list[tuple[bool, bool, bool]] = []

    class Watching(Mode):
        name, needs_python = "watching", True

        def prepare(self, model, example):
            def run(x):
                made = next(model.parameters()).is_inference()
                seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), made))
                return model(x)

            return run

    monkeypatch.setitem(registry.MODES, "watching", Watching())
    point = replace(POINT, autograd=autograd, mode="watching")
    assert Rehearsal(0).compared(point) <= TOLERANCE["float32"]
    inference = autograd.startswith("inference")
    assert set(seen) == {(autograd == "grad", inference, autograd == "inference_model")}


def test_one_process_goes_from_one_to_the_other_and_back() -> None:
    """As the cells of a session do, whose modes are kept from visit to visit."""
    workloads = {autograd: forward(autograd) for autograd in ALL}
    steps = {}
    for mode in ("eager", "script", "trace"):
        for autograd, workload in workloads.items():
            with workload.context():
                steps[mode, autograd] = workload.built(get_mode(mode))
        for _ in range(3):
            for autograd, workload in workloads.items():
                with workload.context():
                    steps[mode, autograd].call()
                    steps[mode, autograd].outcome()  # raises where it recorded wrongly
