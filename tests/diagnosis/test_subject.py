"""What may be diagnosed: a step, a module with inputs, or what names on the command line lead to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import harness
from harness.core.errors import ConfigError
from harness.devices.device import Device
from harness.diagnosis.subject import (
    Named,
    subject_of_model,
    subject_of_names,
    subject_of_step,
)

MODULE = """
import torch
from torch import nn

def build(layers=2, width=8):
    return nn.Sequential(*(nn.Linear(width, width) for _ in range(layers)))

def inputs(batch, width=8):
    return torch.ones(batch, width)

def pair():
    return build(), torch.ones(3, 8)

def step():
    return lambda: torch.ones(2) + 1

def number():
    return 7

def needy(layers):
    return build(layers)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "of_a_user.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "of_a_user"


def test_a_module_is_called_with_its_inputs_and_stays_what_it_is() -> None:
    model = nn.Linear(4, 4)
    subject = subject_of_model(model, torch.ones(2, 4))
    with subject.context():
        assert torch.equal(subject.call(), model(torch.ones(2, 4)))
    assert model.training and subject.model is not model


@pytest.mark.parametrize("mode", ["eager", "script"])
def test_it_is_built_in_other_modes(mode: str) -> None:
    subject = subject_of_model(nn.Linear(4, 4), {"input": torch.ones(2, 4)})
    step = subject.in_mode(mode)
    with subject.context():
        assert torch.equal(step.call(), subject.call())


def test_training_makes_an_optimizers_step() -> None:
    subject = subject_of_model(nn.Linear(4, 4), torch.ones(2, 4), train=True)
    assert subject.model is not None
    before = [p.clone() for p in subject.model.parameters()]
    subject.call()
    assert any(not torch.equal(a, b) for a, b in zip(before, subject.model.parameters(), strict=True))


def test_its_samples_are_doubled_where_all_tensors_agree_on_them() -> None:
    subject = subject_of_model(nn.Linear(4, 4), torch.ones(3, 4))
    assert subject.doubled is not None
    assert subject.doubled().example.shape == (6, 4)  # type: ignore[union-attr]
    assert subject_of_model(nn.Bilinear(4, 4, 4), (torch.ones(3, 4), torch.ones(3, 4))).doubled is not None
    assert subject_of_model(nn.Identity(), torch.ones(())).doubled is None


def test_a_step_is_anything_to_call() -> None:
    assert subject_of_step(lambda: 1).call() == 1
    with pytest.raises(TypeError, match="something to call"):
        subject_of_step(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no other mode"):
        subject_of_step(lambda: 1).in_mode("script")


def test_names_lead_to_a_module_a_pair_or_a_step(module: str) -> None:
    named = Named(f"{module}:build", samples=5, arguments={"layers": 3})
    built = subject_of_names(named, Device())
    with built.context():
        assert built.call().shape == (5, 8)
    assert built.doubled is not None and built.doubled().example.shape == (10, 8)  # type: ignore[union-attr]
    pair = subject_of_names(Named(f"{module}:pair"), Device())
    with pair.context():
        assert pair.call().shape == (3, 8)
    assert torch.equal(subject_of_names(Named(f"{module}:step"), Device()).call(), torch.full((2,), 2.0))


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (Named("nowhere:build"), "an importable module"),
        (Named("of_a_user:nothing"), "a name that of_a_user has"),
        (Named("of_a_user:needy"), "--arg layers="),
        (Named("of_a_user:number"), "it answers a int"),
        (Named("of_a_user:build", inputs="of_a_user:nothing"), "a name that of_a_user has"),
        (Named("torch.nn:Identity"), "has no inputs"),
    ],
)
def test_names_that_lead_nowhere_are_refused_in_one_line(module: str, named: Named, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        subject_of_names(named, Device())
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_from_python_what_cannot_be_diagnosed_is_refused() -> None:
    with pytest.raises(TypeError, match="with its inputs"):
        harness.diagnose(nn.Identity())
    with pytest.raises(ValueError, match="minutes"):
        harness.diagnose(lambda: 1, minutes=0)
