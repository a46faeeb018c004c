"""A mode for benchmarks: eager, and a counted Python loop before each step.

In: the number of passes in a variable of the environment. Out: a mode. Must not know what is compared by it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from benchmarks.common import PASSES
from harness.modes import Mode, register

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example


@register
class Spinning(Mode):
    """The same mode in two runs, and slower in the one whose variable says so."""

    name = "spinning"
    needs_python = True

    def prepare(self, model: torch.nn.Module, example: Example) -> Any:
        from torch import nn

        passes = int(os.environ.get(PASSES, "0"))

        class Spun(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, *args: Any, **kwargs: Any) -> Any:
                for _ in range(passes):
                    pass
                return self.model(*args, **kwargs)

        return Spun()
