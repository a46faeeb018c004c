"""A mode proves what it is: a switch in the environment that makes it plain Python is found out."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from running import python_path

from harness.models.mlp import build_batch, build_model
from harness.modes import get_mode

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

PREPARE = """
import sys, warnings, torch
warnings.simplefilter("ignore")
from harness.modes import get_mode
from harness.modes.proof import Unproven
from harness.models.mlp import build_model
model = build_model((4, 4, 4), dtype="float32", device=torch.device("cpu"), seed=1).eval()
example = torch.ones(2, 4)
for name in sys.argv[1:]:
    with torch.inference_mode():
        try:
            built = get_mode(name).prepare(model, example)
            built(example)
            print(name, get_mode(name).proof(built))
        except Unproven as why:
            print(name, why)
"""


def said(variable: str, *modes: str) -> dict[str, str]:
    """What each mode says of itself where a variable is set."""
    name, _, value = variable.partition("=")
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, *modes],
        env={**os.environ, "PYTHONPATH": python_path(), name: value},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    return {mode: why for mode, _, why in lines}


def test_without_torchscript_no_mode_of_it_passes_for_one() -> None:
    modes = ("script", "trace", "frozen")
    found = said("PYTORCH_JIT=0", "eager", "symbolic", *modes)
    assert (found["eager"], found["symbolic"]) == ("None", "None")
    assert all("TorchScript is switched off" in found[mode] for mode in modes)


@pytest.mark.parametrize("variable", ["TORCHDYNAMO_DISABLE=1", "TORCH_COMPILE_DISABLE=1"])
@pytest.mark.long
def test_without_dynamo_compile_does_not_pass_for_compiled(variable: str) -> None:
    assert "torch.compile" in said(variable, "compile")["compile"]


@pytest.mark.parametrize("name", ["eager", "symbolic", "script", "trace", "frozen"])
def test_a_mode_that_is_what_it_says_proves_it(name: str) -> None:
    device = torch.device("cpu")
    model = build_model((8, 8, 8), dtype="float32", device=device, seed=1).eval()
    example, _ = build_batch(4, 8, 8, dtype="float32", device=device, seed=1)
    mode = get_mode(name)
    with torch.inference_mode():
        built = mode.prepare(model, example)
        built(example)
    assert mode.proof(built) is None
    # And the model itself proves no mode but eager.
    assert (mode.proof(model) is None) == (name == "eager")


def test_scripted_is_not_frozen() -> None:
    assert "not frozen" in str(get_mode("frozen").proof(torch.jit.script(torch.nn.Linear(4, 4))))
