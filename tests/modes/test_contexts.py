"""A mode is built anew for every model: what ran before in the process, and under which context, changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from harness.models.mlp import build_batch, build_model
from harness.modes import get_mode
from harness.workloads.comparison import TOLERANCE, difference

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

CPU = torch.device("cpu")
CONTEXTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
}
# A width that no other test has: what another one left behind would not be met.
_widths = itertools.count(100)


def called_under(mode: str, context: str, width: int) -> torch.Tensor:
    """The last output of a mode, built anew of the same model and called under a context."""
    model = build_model((width,) * 4, dtype="float32", device=CPU, seed=1).eval()
    inputs, _ = build_batch(2, width, width, dtype="float32", device=CPU, seed=2)
    with CONTEXTS[context]():
        run = get_mode(mode).prepare(model, inputs)
        for _ in range(4):  # TorchScript keeps what it has learnt from the first calls
            output: torch.Tensor = run(inputs)
        assert difference([output], [model(inputs)]) <= TOLERANCE["float32"]
    return output


@pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace", "frozen"])
@pytest.mark.parametrize("order", list(itertools.permutations(CONTEXTS)), ids="-".join)
def test_a_model_meets_nothing_of_an_equal_one_that_ran_before(mode: str, order: tuple[str, ...]) -> None:
    width = next(_widths)
    for context in (*order, order[0]):
        output = called_under(mode, context, width)
        assert output.requires_grad is (context == "grad" and mode != "frozen"), context
        assert output.is_inference() is (context == "inference"), context


@pytest.mark.long
@pytest.mark.parametrize("mode", ["compile", "aoti"])
def test_a_compiled_model_meets_nothing_of_an_equal_one_that_ran_before(mode: str) -> None:
    width = next(_widths)
    for context in ("grad", "no_grad", "inference", "grad"):
        output = called_under(mode, context, width)
        assert output.requires_grad is (context == "grad" and mode == "compile"), context
