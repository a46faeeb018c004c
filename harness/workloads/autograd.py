"""Under what a forward step is called, and its model made: the axis `autograd`.

In: a value of the axis. Out: contexts, and whether an output was made under the right one. Must not know modes or
models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from harness.workloads.comparison import Mismatch

# The model is in eval and its parameters require gradients under each of them.
_CALLED: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "inference_model": torch.inference_mode,
}


def calling(autograd: str) -> AbstractContextManager[Any]:
    """What every call of the model runs under."""
    return _CALLED[autograd]()


def making(autograd: str) -> AbstractContextManager[Any]:
    """What the model is made under: parameters made under inference mode have none of autograd's bookkeeping."""
    return torch.inference_mode() if autograd == "inference_model" else nullcontext()


def checked(outputs: Sequence[torch.Tensor], autograd: str) -> list[torch.Tensor]:
    """Outputs without their graph. Raises Mismatch where one was recorded and should not be, or was not and should:
    of several outputs some may not depend on a parameter. Raises TypeError where there is none."""
    if not outputs:
        raise TypeError("the model answers no tensor")
    recorded = any(output.requires_grad for output in outputs)
    if recorded != (autograd == "grad"):
        did = "recorded" if recorded else "recorded nothing"
        raise Mismatch(f"autograd={autograd}: the mode {did} for a backward pass")
    return [output.detach() for output in outputs]
