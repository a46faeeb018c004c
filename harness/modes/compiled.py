"""Rungs of torch.compile: the model is compiled when it is first called.

In: a model. Out: a compiled module. Must not import torch when it is imported.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.modes.proof import Unproven, compiled_graphs, compiler_switched_off
from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example


# Where a compiled module keeps how many graphs there were before it.
_BEFORE = "_graphs_before"


def no_compiler() -> str | None:
    """Why inductor cannot compile here; None where it can. It looks for CXX, else g++ or clang."""
    named = os.environ.get("CXX")
    if named:
        return None if shutil.which(named) else f"CXX={named}: there is no such compiler"
    if any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        return None
    return "needs a C++ compiler: apt-get install g++"


@register
class Compile(Mode):
    """torch.compile: operations fused and compiled; a Python function calls what came of it."""

    name = "compile"
    needs_python = True
    compiler_mode: str | None = None

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        return no_compiler()

    def prepare(self, model: torch.nn.Module, example: Example) -> Any:
        import torch

        from harness.modes.fresh import with_call_of_its_own, with_code_of_its_own
        from harness.modes.headers import keep_precompiled_headers

        if why := compiler_switched_off():
            raise Unproven(why)
        keep_precompiled_headers()
        before = compiled_graphs()
        # A part that cannot be compiled raises, and does not quietly stay in Python. Shapes are fixed, as in
        # every other mode that compiles.
        compile_it = partial(torch.compile, fullgraph=True, dynamic=False, mode=self.compiler_mode)
        if type(model).forward.__module__.startswith("torch."):
            compiled: Any = compile_it(model)
            # Switched off, it answers with the model itself, which then would call itself without end.
            if compiled is not model:
                compiled.forward = compile_it(with_call_of_its_own(model))
        else:
            compiled = compile_it(with_code_of_its_own(model))
        object.__setattr__(compiled, _BEFORE, before)  # the wrapper would hand it on to the model
        return compiled

    def proof(self, built: Any) -> str | None:
        before = getattr(built, "__dict__", {}).get(_BEFORE)
        if before is None or not hasattr(built, "_orig_mod"):
            return f"torch.compile answered with a {type(built).__name__} in Python"
        # Every model is compiled anew (with_code_of_its_own), so that one compiled before is no proof.
        return None if compiled_graphs() > before else "dynamo compiled no frame of it: it runs in Python"


@register
class CompileGraphs(Compile):
    """torch.compile with mode reduce-overhead: what was compiled is captured in CUDA graphs and replayed."""

    name = "compile_graphs"
    needs_python = False
    rehearsed_as = "compile"
    compiler_mode = "reduce-overhead"

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        if device_kind == "cpu":
            return "CUDA graphs need a CUDA device: on a CPU this is compile"
        return super().unsupported(workload=workload, dtype=dtype, device_kind=device_kind)

    def unsupported_autograd(self, autograd: str) -> str | None:
        if autograd == "grad":
            return "torch replays a graph that recorded only once its backward has run, and forward has none"
        return None

    def kept_bytes(self, built: Any) -> int | None:
        return None  # in pools of its own, of which inductor does not tell how much a step uses

    def proof(self, built: Any) -> str | None:
        return super().proof(built) or _no_graph_trees()


def _no_graph_trees() -> str | None:
    """Why inductor captured nothing on the current device; None where it keeps graphs there."""
    import torch
    from torch._inductor.cudagraph_trees import get_container

    if get_container(torch.accelerator.current_device_index()).tree_manager is None:
        return "inductor captured no CUDA graph: it launches what it compiled one by one"
    return None
