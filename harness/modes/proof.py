"""Whether what was prepared is what its mode says: the words for it when it is not, and looks into torch's objects.

In: what a mode has built. Out: why it is not what the mode claims, or None. Must not know any mode, and must not import
torch when it is imported.

A switch in the environment can turn a mode into plain Python without a word (PYTORCH_JIT=0, TORCHDYNAMO_DISABLE=1): its
outputs are right, its times are eager's.
"""

from __future__ import annotations

from typing import Any


class Unproven(Exception):
    """A mode is not what it says, so that it is not timed; the message is the reason, in one line."""


def no_scripted_graph(built: Any) -> str | None:
    """Why this is no TorchScript module that runs a graph; None where it is one."""
    import torch

    if not isinstance(built, torch.jit.ScriptModule):
        return f"TorchScript is switched off (PYTORCH_JIT=0?): what was prepared is a {type(built).__name__} in Python"
    graph: Any = getattr(built, "graph", None)
    if graph is None or not any(True for _ in graph.nodes()):
        return "the scripted module has no graph"
    return None


def not_frozen(built: Any) -> str | None:
    """Why a TorchScript module is not frozen; None where its parameters have become constants of the graph."""
    if why := no_scripted_graph(built):
        return why
    left = next(iter(built.parameters()), None)
    return None if left is None else "the scripted module is not frozen: it still has parameters"


def not_straight(built: Any) -> str | None:
    """Why this is no straight program of functions and methods of tensors; None where it is one."""
    written = getattr(getattr(built, "program", None), "__self__", None)
    nodes = getattr(getattr(written, "graph", None), "nodes", None)
    if nodes is None:
        return f"no program was written: what was prepared is a {type(built).__name__}"
    modules = [str(node.target) for node in nodes if node.op in ("call_module", "get_attr")]
    if modules:
        return f"the program still calls modules or looks attributes up: {modules[0]}"
    return None


def compiled_graphs() -> int:
    """How many graphs dynamo has handed to a compiler in this process so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def compiler_switched_off() -> str | None:
    """Why torch.compile does nothing in this process; None where it works."""
    import torch._dynamo.config as dynamo

    if dynamo.disable:
        return "torch.compile is switched off (TORCHDYNAMO_DISABLE or TORCH_COMPILE_DISABLE)"
    return None
