"""The last rung: the scripted model in a loop of C++, with no Python between steps.

In: a model and an example. Out: a loop that makes steps. Must not import torch when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.modes.example import positional
from harness.modes.proof import Unproven
from harness.modes.registry import Mode, register
from harness.modes.torchscript import no_torchscript, scripted

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example
    from harness.modes.native_loop import NativeLoop


class Driven:
    """A scripted model and its loop; a call makes one step on the example, whatever it is called with."""

    def __init__(self, loop: NativeLoop) -> None:
        self.loop = loop

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.loop.output()  # makes a step of its own

    def repeat(self, steps: int) -> None:
        self.loop.run(steps)

    def joined(self, others: list[Driven]) -> Driven:
        """One loop over the devices of this one and of others, in turn."""
        from harness.modes.native_loop import NativeLoop

        return Driven(NativeLoop.join([self.loop, *(other.loop for other in others)]))


@register
class Native(Mode):
    """torch.jit.script, called by a loop in C++ with the interpreter's lock released."""

    name = "native"
    needs_python = False

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        if workload == "train":
            return "the C++ loop drives inference alone"
        from harness.modes.native_loop import problem

        return no_torchscript() or problem()

    def unsupported_autograd(self, autograd: str) -> str | None:
        if autograd == "inference_model":
            return "the C++ loop loads parameters of its own, which are ordinary tensors"
        return None if autograd == "inference" else "the C++ loop makes every step under inference mode"

    def make_ready(self) -> None:
        from harness.modes.native_build import build

        build()

    def prepare(self, model: torch.nn.Module, example: Example) -> Driven:
        import torch

        from harness.modes.native_loop import NativeLoop

        inputs = positional(model, example)
        if others := [type(each).__name__ for each in inputs if not isinstance(each, torch.Tensor)]:
            raise Unproven(
                f"the C++ loop hands over tensors alone, and the model is called with a {others[0]}"
            )
        return Driven(NativeLoop([(scripted(model), inputs)]))

    def proof(self, built: Any) -> str | None:
        if not isinstance(built, Driven) or not built.loop.modules:
            return "the loop in C++ has no module loaded"
        return None
