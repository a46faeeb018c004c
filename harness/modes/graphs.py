"""The rung on which a whole step is one launch: an explicit CUDA graph.

In: a model and an example. Out: something to call that replays it. Must not import torch when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch


class Replayed:
    """A captured call. Called with another tensor than the captured one, it copies that in first.

    The output is the same tensor at every call, overwritten by the next one.
    """

    def __init__(self, model: torch.nn.Module, example: torch.Tensor) -> None:
        from harness.devices.cuda_graph import graph_of

        self.input = example
        self.graph, self.output = graph_of(lambda: model(example), example.device)
        self._replay = self.graph.replay

    def __call__(self, x: torch.Tensor) -> Any:
        if x is not self.input:
            self.input.copy_(x)
        self._replay()
        return self.output


@register
class CudaGraph(Mode):
    """torch.cuda.graph: eager's launches are captured once, and replayed by a single launch."""

    name = "cudagraph"
    needs_python = False
    rehearsed_as = "eager"

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        if device_kind == "cpu":
            return "CUDA graphs need a CUDA device"
        if workload == "train":
            return "captured for inference alone: the all-reduce of DistributedDataParallel is not captured"
        return None

    def unsupported_autograd(self, autograd: str) -> str | None:
        return "a replay is one launch, in which autograd records nothing" if autograd == "grad" else None

    def prepare(self, model: torch.nn.Module, example: torch.Tensor) -> Replayed:
        return Replayed(model, example)

    def proof(self, built: Any) -> str | None:
        # A capture of nothing raises already (harness.devices.cuda_graph); what is left is whether it was made.
        captured = isinstance(built, Replayed) and built.output is not None
        return None if captured else "no graph was captured"
