"""The rung on which a whole step is one launch: an explicit CUDA graph.

In: a model and an example. Out: something to call that replays it. Must not import torch when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch

# As torch.cuda.make_graphed_callables has it: lets libraries allocate and choose kernels before the capture.
WARM_UP_CALLS = 3


class Replayed:
    """A captured call. Called with another tensor than the captured one, it copies that in first.

    The output is the same tensor at every call, overwritten by the next one.
    """

    def __init__(self, model: torch.nn.Module, example: torch.Tensor) -> None:
        import torch

        from harness.devices.device import capture

        self.input = example
        stream: Any = torch.cuda.Stream  # untyped upstream
        aside = stream(example.device)
        aside.wait_stream(torch.cuda.current_stream(example.device))
        with torch.cuda.device(example.device), torch.cuda.stream(aside):
            for _ in range(WARM_UP_CALLS):
                model(example)
        torch.cuda.current_stream(example.device).wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(example.device), capture(self.graph):
            self.output: Any = model(example)
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

    def prepare(self, model: torch.nn.Module, example: torch.Tensor) -> Replayed:
        return Replayed(model, example)
