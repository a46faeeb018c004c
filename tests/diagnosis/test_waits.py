"""Where values go to the host is counted, by line; how long it takes only where there is a device to wait for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness.core.emulated import device_variables, load_profile
from harness.diagnosis.host import Look, look

LAYERS = 7


class Asking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(LAYERS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
            x.sum().item()  # asks
        return x


def line_with(word: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(word))


def seen(step: Callable[[], Any]) -> Look:
    return look(step, seconds=0.1)


def test_a_value_asked_for_in_each_layer_is_counted_at_its_line() -> None:
    model, batch = Asking(), torch.randn(2, 8)
    (wait,) = seen(lambda: model(batch)).waits
    assert (wait.file, wait.line, wait.what) == (__file__, line_with("# asks"), ".item()")
    assert wait.times == LAYERS
    assert wait.us == 0


ONE, MANY = torch.ones(()), torch.ones(4)
WAYS: dict[str, Callable[[], Any]] = {
    ".item()": lambda: ONE.item(),
    ".tolist()": lambda: MANY.tolist(),
    ".cpu()": lambda: MANY.cpu(),
    "bool()": lambda: 1 if ONE else 0,
    "int()": lambda: int(ONE),
    "float()": lambda: float(ONE),
    "index()": lambda: [1, 2][torch.zeros((), dtype=torch.int64)],
    "format()": lambda: f"{ONE}",
    "repr()": lambda: repr(MANY),
    "nonzero()": lambda: torch.nonzero(MANY),
    "masked_select()": lambda: MANY.masked_select(MANY > 0),
    "[mask]": lambda: MANY[MANY > 0],
    "equal()": lambda: torch.equal(MANY, MANY),
    "allclose()": lambda: torch.allclose(MANY, MANY),
}


@pytest.mark.parametrize("what", WAYS)
def test_each_way_of_asking_is_counted_once(what: str) -> None:
    (wait,) = seen(WAYS[what]).waits
    assert (wait.what, wait.times) == (what, 1)


def test_what_asks_for_no_value_is_no_wait() -> None:
    assert (
        seen(lambda: (MANY[1:], MANY[torch.tensor([0, 1])], MANY.to("cpu"), len(MANY), MANY.shape)).waits
        == ()
    )


def test_what_is_counted_is_called_all_the_same() -> None:
    answers: list[Any] = []
    seen(lambda: answers.append((ONE.item(), bool(ONE), MANY.tolist(), MANY[MANY > 0].numel())))
    assert set(map(repr, answers)) == {repr((1.0, True, [1.0] * 4, 4))}


NODE = """
import sys, torch
sys.path.insert(0, {tests!r})
from test_waits import Asking, line_with
from harness.devices.opening import open_device
from harness.diagnosis.host import look

open_device("emulated", 0)
device = torch.device("cuda", 0)
model, batch = Asking().to(device), torch.randn(2, 8, device=device)
wide = torch.nn.Linear(4096, 4096, device=device)
large = torch.randn(4096, 4096, device=device)

def step():
    wide(large)
    model(batch)
    large.sum()
    torch.cuda.synchronize()  # waits

for _ in range(3):
    step()
found = look(step, seconds=1.0, device_kind="emulated", torch_device=device)
print(found)
asked = [wait for wait in found.waits if wait.what == ".item()"]
assert [(wait.line, wait.times) for wait in asked] == [(line_with("# asks"), {layers})]
assert any("synchronize" in wait.what and wait.times == 1 for wait in found.waits)
assert asked[0].us > 0.5 * sum(wait.us for wait in found.waits)
assert found.wait_share > 0.3 and found.own_share < 0.1
"""


@pytest.mark.long
def test_on_a_device_the_wait_is_where_the_first_value_is_asked_for(tmp_path: Path) -> None:
    script = tmp_path / "node.py"
    script.write_text(NODE.format(tests=str(Path(__file__).parent), layers=LAYERS), encoding="utf-8")
    with device_variables(load_profile("v100x8")) as variables:
        done = subprocess.run(
            [sys.executable, str(script)], env={**os.environ, **variables}, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout + done.stderr
