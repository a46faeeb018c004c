"""Rungs of TorchScript: written imperatively, run by torch's own interpreter in C++.

In: a model. Out: a scripted module. Must not import torch when it is imported.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from harness.modes.example import arguments_of, positional
from harness.modes.proof import Unproven, no_scripted_graph, not_frozen
from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example


def no_torchscript() -> str | None:
    """Why there is no TorchScript here; None where there is."""
    # torch.jit is deprecated upstream and refuses to compile from Python 3.14 on.
    if sys.version_info >= (3, 14):
        return "TorchScript does not support Python 3.14 and later"
    return None


def scripted(model: torch.nn.Module) -> torch.jit.ScriptModule:
    """torch.jit.script of a model, with a graph that no other model has.

    Raises Unproven where torch hands back the model itself.
    """
    import torch

    from harness.modes.fresh import with_class_of_its_own

    module: torch.jit.ScriptModule = torch.jit.script(with_class_of_its_own(model))
    if why := no_scripted_graph(module):
        raise Unproven(why)
    return module


class _TorchScript(Mode):
    needs_python = False

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        return no_torchscript()

    def proof(self, built: Any) -> str | None:
        return no_scripted_graph(built)


@register
class Script(_TorchScript):
    """torch.jit.script: the model's source is compiled, control flow included."""

    name = "script"

    def prepare(self, model: torch.nn.Module, example: Example) -> torch.nn.Module:
        return scripted(model)


@register
class Trace(_TorchScript):
    """torch.jit.trace: the operations that one example ran through are recorded."""

    name = "trace"

    def prepare(self, model: torch.nn.Module, example: Example) -> torch.nn.Module:
        import torch

        given = arguments_of(example)
        # Of both kinds torch takes one: those by name, or all in their places.
        by_name = bool(given.kwargs) and not given.args
        how = (
            {"example_kwarg_inputs": given.kwargs}
            if by_name
            else {"example_inputs": positional(model, example)}
        )
        trace: Any = torch.jit.trace  # untyped upstream
        # The harness compares every mode's output with eager's itself, so a second check is left out. Not strict: a
        # dict that a model answers is of the same keys at every call.
        traced: torch.nn.Module = trace(model, **how, check_trace=False, strict=False)
        return traced


@register
class Frozen(_TorchScript):
    """Scripted, then frozen: parameters become constants, and the graph is optimised for inference."""

    name = "frozen"

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        if workload == "train":
            return "frozen parameters are constants and cannot be trained"
        return super().unsupported(workload=workload, dtype=dtype, device_kind=device_kind)

    def unsupported_autograd(self, autograd: str) -> str | None:
        return (
            "frozen parameters are constants: autograd has nothing to record" if autograd == "grad" else None
        )

    def prepare(self, model: torch.nn.Module, example: Example) -> torch.nn.Module:
        import torch

        optimise: Any = torch.jit.optimize_for_inference
        frozen: torch.nn.Module = optimise(torch.jit.freeze(scripted(model.eval())))
        return frozen

    def proof(self, built: Any) -> str | None:
        return not_frozen(built)
