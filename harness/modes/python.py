"""Rungs on which the interpreter issues every operation: eager, and the model as a straight program.

In: a model. Out: a module. Must not import torch when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.modes.proof import not_straight
from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example


@register
class Eager(Mode):
    """Python calls every module and every operation, one after the other."""

    name = "eager"
    needs_python = True

    def prepare(self, model: torch.nn.Module, example: Example) -> torch.nn.Module:
        return model


@register
class Symbolic(Mode):
    """torch.fx: the model is run once on symbols, written out as one Python function, compiled and run.

    No module is called any more and no attribute looked up: what is left is Python calling operations.
    """

    name = "symbolic"
    needs_python = True

    def prepare(self, model: torch.nn.Module, example: Example) -> torch.nn.Module:
        from harness.modes.straight import straight_program

        return straight_program(model, example)

    def proof(self, built: Any) -> str | None:
        return not_straight(built)
