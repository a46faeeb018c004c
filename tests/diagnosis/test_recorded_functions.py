"""A step's torch functions recorded, answered, and written out as a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.diagnosis.parts.functions import (
    CannotRecord,
    answered,
    called_directly,
    modules_called,
    record_functions,
)
from harness.diagnosis.parts.program import write_light_program, write_program
from harness.models import convnet, lstm, mlp, transformer


def mlp_of(depth: int, width: int = 8) -> nn.Sequential:
    return nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(depth)))


def test_functions_are_recorded_as_they_are_called_from_python() -> None:
    model, x = mlp_of(2), torch.rand(3, 8)
    recording = record_functions(lambda: model(x))
    assert [call.name for call in recording.calls] == ["linear", "relu"] * 2
    assert recording.calls[0].given[0] is x
    assert recording.functions == 4
    assert recording.grad


def test_what_only_asks_is_not_in_the_program() -> None:
    x = torch.rand(3, 8)
    recording = record_functions(lambda: x.reshape(x.shape[0] * x.size(1)).sum())
    assert [call.asks for call in recording.calls] == [True, True, False, False]
    program = write_program(recording)
    assert len(program.source.splitlines()) == recording.functions == 2


STEPS: dict[str, Callable[[torch.Tensor], Any]] = {
    "parts of what a call answered": lambda x: x.split(2)[1] + x.max(0).values,
    "lists": lambda x: torch.cat([x, x * 2, x + 1]).mean(0),
    "indices": lambda x: x[1:, (x.sum(0) > 0).nonzero().squeeze(1)],
    "in place": lambda x: x.clone().mul_(2).add_(x),
    "writing": lambda x: (y := x.clone()).__setitem__(0, y[1]) or y,
    "dictionary": lambda x: {"a": x * 2, "b": [x + 1, 3, None]},
    "attributes": lambda x: x.T @ x.detach().data,
    "numbers": lambda x: x * x.sum().item(),
    "python's own": lambda x: 1 - x / 2 + (2 // (x + 1)),
    "functional": lambda x: functional.softmax(functional.dropout(x, 0.0), dim=1),
    "input": lambda x: x,
    "no gradients inside": lambda x: torch.no_grad()(lambda: x + 1)(),
    "inference inside": lambda x: torch.inference_mode()(lambda: x + 1)(),
}


def flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [part for each in value for part in flat(each)] if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("name", STEPS)
def test_the_program_answers_what_the_step_does(name: str) -> None:
    x = torch.rand(4, 4)
    program = write_program(record_functions(lambda: STEPS[name](x)))
    x.copy_(torch.rand(4, 4) + 1) if name not in ("indices", "numbers") else None
    for ours, theirs in zip(flat(program.run()), flat(STEPS[name](x)), strict=True):
        if isinstance(theirs, torch.Tensor):
            assert torch.equal(ours, theirs)
            assert ours.is_inference() == theirs.is_inference()
        else:
            assert ours == theirs
    assert torch.is_grad_enabled()
    program.glue()


CPU = torch.device("cpu")
SHIPPED: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    "convnet": lambda: (convnet.build(2, 4, 3).eval(), convnet.inputs(2, 8)),
    "lstm": lambda: (lstm.build(2, 4, 8, 3, False), lstm.inputs(2, 5, 4)),
    "cells": lambda: (lstm.build(2, 4, 8, 3, True), lstm.inputs(2, 5, 4)),
    "mlp": lambda: (mlp.build_model((8, 8, 3), dtype="float32", device=CPU, seed=0), torch.rand(2, 8)),
    "transformer": lambda: (transformer.build(2, 8, 2, 6, 10, 3), transformer.inputs(2, 6, 10)),
    "encoder": lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), torch.rand(2, 5, 8)),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_program_of_a_shipped_model_answers_what_it_does(name: str) -> None:
    torch.manual_seed(0)
    model, x = SHIPPED[name]()
    program = write_program(record_functions(lambda: model(x)))
    for ours, theirs in zip(flat(program.run()), flat(model(x)), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_program_of_a_step_that_trains_trains() -> None:
    def trained(steps: int, by_program: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model, x = mlp_of(2), torch.rand(3, 8)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step()
        recording = record_functions(step)
        assert recording.backward
        run = write_program(recording).run if by_program else step
        for _ in range(steps):
            run()
        weight = model.get_parameter("0.0.weight")
        return weight.detach()

    assert torch.equal(trained(3, True), trained(3, False))
    assert not torch.equal(trained(3, True), trained(0, True))


def test_the_light_program_records_nothing() -> None:
    model, x = mlp_of(2), torch.rand(3, 8)

    def step() -> torch.Tensor:
        with torch.enable_grad():
            loss = model(x).sum()
        loss.backward()
        return loss

    light = write_light_program(record_functions(step))
    gradient = model.get_parameter("0.0.weight").grad
    assert gradient is not None
    before = gradient.clone()
    with torch.no_grad():
        assert light.run().grad_fn is None
    assert torch.equal(gradient, before)


def test_answered_functions_are_not_executed() -> None:
    model, x = mlp_of(2), torch.rand(3, 8)
    recording = record_functions(lambda: model(x))
    with answered(recording) as place:
        assert model(x) is recording.output
        assert place() == 0
        model[0](x)
        assert place() == 2
    assert model(x) is not recording.output


def test_a_step_that_turns_inference_mode_on_in_its_midst_is_refused() -> None:
    x = torch.rand(3)

    def step() -> None:
        x + 1
        with torch.inference_mode():
            x + 2

    with pytest.raises(CannotRecord, match="inference"):
        record_functions(step)


def test_modules_are_counted() -> None:
    model, x = mlp_of(3), torch.rand(3, 8)
    assert modules_called(lambda: model(x)) == 1 + 3 * 3


class _Noted(nn.Linear):
    calls = 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        type(self).calls += 1
        return super().__call__(*given, **named)


def test_called_directly_a_module_is_its_forward() -> None:
    model, x = mlp_of(2), torch.rand(3, 8)
    expected = model(x)
    with called_directly(model):
        assert modules_called(lambda: model(x)) == 0
        assert torch.equal(model(x), expected)
    assert modules_called(lambda: model(x)) == 7


def test_what_needs_its_call_keeps_it() -> None:
    x = torch.rand(3, 8)
    hooked = mlp_of(1)
    seen: list[int] = []
    hooked[0][0].register_forward_hook(lambda *_: seen.append(1))  # type: ignore[index]
    noted = nn.Sequential(_Noted(8, 8))
    with called_directly(hooked):
        hooked(x)
    with called_directly(noted):
        noted(x)
    assert (len(seen), _Noted.calls) == (1, 1)


def test_after_errors_torch_is_as_before() -> None:
    model, x = mlp_of(1), torch.rand(3, 8)
    places = [(nn.Sequential, "__call__"), (nn.Linear, "__call__"), (functional, "has_torch_function_unary"),
              (torch.overrides, "has_torch_function")]  # fmt: skip
    before = [getattr(*place) for place in places]
    own = [vars(kind).get("__call__") for kind in (nn.Sequential, nn.Linear)]
    recording = record_functions(lambda: model(x))
    for context in (lambda: called_directly(model), lambda: answered(recording)):
        with pytest.raises(ZeroDivisionError), context():
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        record_functions(lambda: (model(x), 1 / 0))
    assert [getattr(*place) for place in places] == before
    assert [vars(kind).get("__call__") for kind in (nn.Sequential, nn.Linear)] == own
    assert not torch.overrides.has_torch_function((x,))
