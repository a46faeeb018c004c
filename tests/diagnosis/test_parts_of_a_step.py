"""The ladder of a step: parts that add up to the whole, and grow with what they are of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from harness.core.emulated import device_variables, load_profile
from harness.devices.device import Device
from harness.diagnosis.parts import substitutes
from harness.diagnosis.parts.ladder import PARTS, Ladder, climb, one_layer
from harness.models import convnet, lstm, mlp, transformer

needs_empty_kernels = pytest.mark.usefixtures("empty_kernels")

# A noisy machine may spoil a measurement, not three.
TRIES = 3
SECONDS = 1.5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Wrapped(nn.Module):
    """A module around a module, so many times."""

    def __init__(self, inner: nn.Module, times: int) -> None:
        super().__init__()
        self.inner = Wrapped(inner, times - 1) if times > 1 else inner

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(x)


class Counting(nn.Linear):
    """Python that asks nothing of torch, before a call that does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(400):
            pass
        return super().forward(x)


def mlp_of(depth: int, width: int = 16, layer: type[nn.Linear] = nn.Linear, wraps: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(Wrapped(nn.Sequential(layer(width, width), nn.ReLU()), wraps) for _ in range(depth))
    )


def climbed(
    model: nn.Module,
    x: torch.Tensor,
    context: Callable[[], Any] = torch.inference_mode,
    seconds: float = SECONDS,
) -> Ladder:
    return climb(lambda: model(x), model=model, device=Device(), context=context, seconds=seconds)


def share(ladder: Ladder, name: str) -> float:
    return us(ladder, name) / ladder.whole.estimate


def us(ladder: Ladder, name: str) -> float:
    (found,) = (part.us.estimate for part in ladder.parts if part.name == name)
    return found


def any_of(tries: Callable[[], bool]) -> bool:
    return any(tries() for _ in range(TRIES))


@needs_empty_kernels
@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_parts_add_up_to_the_step(context: Callable[[], Any]) -> None:
    model, x = mlp_of(32), torch.rand(4, 16)
    last: list[Ladder] = []

    def adds_up() -> bool:
        ladder = climbed(model, x, context, seconds=3)
        last.append(ladder)
        return abs(ladder.unexplained.estimate) <= 0.05 * ladder.whole.estimate

    assert any_of(adds_up), "\n\n".join(map(str, last))
    ladder = last[-1]
    recording = context is torch.enable_grad
    assert [part.name for part in ladder.parts] == [name for name in PARTS if recording or name != "autograd"]
    for part in ladder.parts:
        assert part.us.low <= part.us.estimate <= part.us.high, str(ladder)
    assert (ladder.modules, ladder.functions) == (1 + 32 * 4, 64)
    assert ladder.operators >= 64
    assert ladder.interpreter_alone is not None
    assert ladder.interpreter_alone.estimate < ladder.whole.estimate
    assert ("autograd" in ladder.left_out) is not recording
    assert "unexplained" in str(ladder)


@needs_empty_kernels
def test_a_part_grows_with_what_it_is_of() -> None:
    x, wide = torch.rand(4, 16), torch.rand(64, 512)

    def grows() -> bool:
        plain = climbed(mlp_of(16), x)
        wrapped = climbed(mlp_of(16, wraps=6), x)
        counting = climbed(mlp_of(16, layer=Counting), x)
        large = climbed(mlp_of(4, 512), wide)
        return (
            us(wrapped, "modules") > 1.5 * us(plain, "modules")
            and us(counting, "frames") > 2 * us(plain, "frames")
            and us(counting, "modules") < 2 * us(plain, "modules")
            and us(counting, "dispatcher") < 2 * us(plain, "dispatcher")
            and share(large, "kernels") > 0.7 > 0.5 > share(plain, "kernels")
        )

    assert any_of(grows)


CPU = torch.device("cpu")
SHIPPED: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    "convnet": lambda: (convnet.build(2, 4, 3), convnet.inputs(2, 8)),
    "lstm": lambda: (lstm.build(2, 4, 8, 3, False), lstm.inputs(2, 5, 4)),
    "cells": lambda: (lstm.build(2, 4, 8, 3, True), lstm.inputs(2, 5, 4)),
    "mlp": lambda: (mlp.build_model((8, 8, 3), dtype="float32", device=CPU, seed=0), torch.rand(2, 8)),
    "transformer": lambda: (transformer.build(2, 8, 2, 6, 10, 3), transformer.inputs(2, 6, 10)),
    "encoder": lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), torch.rand(2, 5, 8)),
}


@needs_empty_kernels
@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("context", [torch.inference_mode, torch.enable_grad])
def test_every_part_of_a_shipped_model_is_measured(name: str, context: Callable[[], Any]) -> None:
    model, x = SHIPPED[name]()
    ladder = climbed(model, x, context, seconds=0.2)
    assert {part.name for part in ladder.parts} | {"autograd"} == set(PARTS), str(ladder)
    assert set(ladder.left_out) <= {"autograd"}, str(ladder)
    assert "unexplained" in str(ladder)


@needs_empty_kernels
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_a_step_that_trains_has_all_parts(kind: Any) -> None:
    model, x = mlp_of(4), torch.rand(4, 16)
    optimizer = kind(model.parameters(), lr=1e-3)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    def all_parts() -> bool:
        ladder = climb(step, model=model, device=Device(), seconds=0.5)
        assert [part.name for part in ladder.parts] == list(PARTS), str(ladder)
        assert ladder.left_out == {}
        return all(part.us.estimate > 0 for part in ladder.parts)

    assert any_of(all_parts)
    assert not next(model.parameters()).isnan().any()


@needs_empty_kernels
def test_one_layer_is_the_one_that_is_called_most() -> None:
    model, x = nn.Sequential(mlp_of(3), nn.Linear(16, 16)), torch.rand(4, 16)
    found = one_layer(
        lambda: model(x), model=model, device=Device(), context=torch.inference_mode, seconds=0.2
    )
    assert found is not None
    name, ladder = found
    assert name == "Linear"
    assert (ladder.modules, ladder.functions) == (1, 1)
    nothing = nn.Sequential()
    assert one_layer(lambda: x + 1, model=nothing, device=Device(), seconds=0.2) is None


def test_without_empty_kernels_what_needs_them_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(substitutes, "why_not", lambda: "no compiler")
    model, x = mlp_of(3), torch.rand(4, 16)
    ladder = climbed(model, x, torch.enable_grad, seconds=0.1)
    assert [part.name for part in ladder.parts] == ["modules", "frames", "autograd"]
    assert ladder.left_out == dict.fromkeys(("dispatcher", "allocator", "kernels"), "no compiler")
    assert ladder.unexplained.estimate > 0


def test_a_step_whose_calls_change_is_not_taken_for_what_was_recorded() -> None:
    calls: list[int] = []
    x = torch.rand(4)

    def step() -> torch.Tensor:
        calls.append(1)
        return x * len(calls)

    ladder = climb(step, model=None, device=Device(), seconds=0.1)
    assert ladder.parts == ()
    assert "answers something else" in ladder.left_out["frames"]
    assert "no model" in ladder.left_out["modules"]
    assert ladder.unexplained == ladder.whole


def test_the_error_of_a_step_is_its_own_and_leaves_torch_as_before() -> None:
    model, x = mlp_of(1), torch.rand(4, 17)
    with pytest.raises(RuntimeError, match="shapes"):
        climbed(model, x)
    assert nn.Linear.__call__ is nn.Module.__call__
    assert not torch.overrides.has_torch_function((x,))
    assert (torch.ones(2) + 1).tolist() == [2, 2]


ON_A_NODE = """
import torch
from torch import nn
from harness.devices.opening import open_device
from harness.diagnosis.parts.ladder import climb

device = open_device("emulated", 0)
device.prepare_thread()
model = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(8))).to(device.torch_device)
x = torch.rand(4, 64, device=device.torch_device)
for context in (torch.inference_mode, torch.enable_grad):
    ladder = climb(lambda: model(x), model=model, device=device, context=context, seconds=1)
    print(ladder)
    print("PARTS", *(part.name for part in ladder.parts))
"""


@needs_empty_kernels
@pytest.mark.long
def test_on_an_accelerator_launches_stand_for_kernels() -> None:
    with device_variables(load_profile("v100x8")) as variables:
        done = subprocess.run(
            [sys.executable, "-c", ON_A_NODE],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    said = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("PARTS")]
    plain = ["modules", "frames", "dispatcher", "allocator", "launches", "caches"]
    assert said == [plain, [*plain[:3], "autograd", *plain[3:]]], done.stdout
    assert "unexplained" in done.stdout
