"""CUDA graphs: what is issued to a device once, captured, and replayed by a single launch.

In: something to call. Out: its launches and its replay. Must not know what is called, nor what the replay is for.
"""

from __future__ import annotations

import contextlib
import ctypes
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from harness.devices.trees import tensors_in

# As torch.cuda.make_graphed_callables has it: lets libraries allocate and choose kernels before the capture.
WARM_UP_CALLS = 3


class CudaGraphStep:
    """A call captured in a CUDA graph: how many launches it is, and its replay by a single one.

    Raises RuntimeError where the call cannot be captured.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._graph = torch.cuda.CUDAGraph(keep_graph=True)
        with capture(self._graph):
            self._output = call()  # the graph writes there: its memory must stay
        self.launches: int | None = _node_count(self._graph.raw_cuda_graph())
        self._graph.instantiate()
        self.replay: Callable[[], None] = self._graph.replay


def graph_of(call: Callable[[], Any], device: torch.device) -> tuple[torch.cuda.CUDAGraph, Any, int]:
    """A call captured on that device, after some on a stream beside; its output, which each replay overwrites; and the
    peak of bytes of its tensors while it was captured, in memory which the graph keeps."""
    stream: Any = torch.cuda.Stream  # untyped upstream
    aside = stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.device(device), torch.cuda.stream(aside):
        for _ in range(WARM_UP_CALLS):
            call()
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    torch.cuda.reset_peak_memory_stats(device)
    with torch.cuda.device(device), capture(graph):
        output = call()
    # What is left beside the output is no tensor of the step: cuBLAS's workspace of the stream that it was captured on.
    peak = torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)
    return graph, output, peak + sum(tensor.nbytes for tensor in tensors_in(output))


@contextlib.contextmanager
def capture(graph: torch.cuda.CUDAGraph) -> Iterator[None]:
    """Within: what is issued to the current device is captured. Raises RuntimeError where that is nothing."""
    stream: Any = torch.cuda.Stream  # untyped upstream
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The CUDA Graph is empty")
        try:
            # A stream of the current device: torch's own default is of the device that was the first to
            # capture, and on any other device the capture would be empty.
            with torch.cuda.graph(graph, stream=stream(torch.cuda.current_device())):
                yield
        except UserWarning as empty:
            raise RuntimeError("nothing was captured") from empty


def _node_count(graph: int) -> int | None:
    """Nodes of a cudaGraph_t; None where the runtime does not tell. torch has no call for it."""
    major = str(torch.version.cuda).partition(".")[0]
    count = ctypes.c_size_t()
    try:
        runtime = ctypes.CDLL(f"libcudart.so.{major}")  # by soname: the one that torch has loaded
        status = runtime.cudaGraphGetNodes(ctypes.c_void_p(graph), None, ctypes.byref(count))
    except (OSError, AttributeError):
        return None
    return count.value if status == 0 else None
