"""The rung on which a whole step is one launch: an explicit CUDA graph.

In: a model and an example. Out: something to call that replays it. Must not import torch when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.modes.example import arguments_of, called
from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example


class Replayed:
    """A captured call. Called with other tensors than the captured ones, it copies those in first.

    The output is the same at every call, overwritten by the next one. peak_bytes: of the graph's own memory, which it
    keeps between calls.
    """

    def __init__(self, model: torch.nn.Module, example: Example) -> None:
        from harness.devices.cuda_graph import graph_of
        from harness.devices.trees import tensors_in

        given = arguments_of(example)
        self.input = given.args[0] if given.args and not given.kwargs and len(given.args) == 1 else None
        self._tensors = list(tensors_in((given.args, given.kwargs)))
        self.graph, self.output, self.peak_bytes = graph_of(called(model, example), self._tensors[0].device)
        self._replay = self.graph.replay

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # One tensor, the captured one: nothing to look for.
        if self.input is None or len(args) != 1 or args[0] is not self.input:
            self._copy_in(args, kwargs)
        self._replay()
        return self.output

    def _copy_in(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        from harness.devices.trees import tensors_in

        for ours, theirs in zip(self._tensors, tensors_in((args, kwargs)), strict=True):
            if theirs is not ours:
                ours.copy_(theirs)


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

    def prepare(self, model: torch.nn.Module, example: Example) -> Replayed:
        return Replayed(model, example)

    def kept_bytes(self, built: Any) -> int | None:
        return int(built.peak_bytes)

    def proof(self, built: Any) -> str | None:
        # A capture of nothing raises already (harness.devices.cuda_graph); what is left is whether it was made.
        captured = isinstance(built, Replayed) and built.output is not None
        return None if captured else "no graph was captured"
