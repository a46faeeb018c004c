"""The rung of ahead-of-time compilation: a shared library made of the model, loaded and called.

In: a model and an example. Out: something to call. Must not import torch when it is imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.modes.compiled import no_compiler
from harness.modes.example import arguments_of
from harness.modes.registry import Mode, register

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example


def no_toolkit() -> str | None:
    """Why there is nothing of CUDA to compile against; None where there is. The emulated node brings its own."""
    named = [
        Path(os.environ[name]) / "include" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)
    ]
    listed = [Path(folder) for folder in os.environ.get("CPATH", "").split(":") if folder]
    compiler = shutil.which("nvcc")
    beside = [Path(compiler).resolve().parents[1] / "include"] if compiler else []
    folders = [*named, *listed, *beside, Path("/usr/local/cuda/include")]
    if any((folder / "cuda.h").exists() for folder in folders):
        return None
    return "AOTInductor needs the headers of the CUDA toolkit: install it, or set CUDA_HOME"


def write_package(model: torch.nn.Module, example: Example, path: Path) -> None:
    """Export a model and compile it into a package at path, whose name must end in .pt2."""
    import torch
    from torch._inductor import aoti_compile_and_package

    from harness.modes.headers import keep_precompiled_headers

    keep_precompiled_headers()
    given = arguments_of(example)
    with torch.no_grad():
        program = torch.export.export(model, given.args, given.kwargs or None)
        aoti_compile_and_package(program, package_path=str(path))


@register
class Aoti(Mode):
    """torch.export and AOTInductor: no Python in a step but the call of it."""

    name = "aoti"
    needs_python = False

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        if workload == "train":
            return "AOTInductor compiles for inference alone"
        return no_compiler() or (no_toolkit() if device_kind == "cuda" else None)

    def unsupported_autograd(self, autograd: str) -> str | None:
        return (
            "AOTInductor compiles for inference alone: its code records nothing"
            if autograd == "grad"
            else None
        )

    def prepare(self, model: torch.nn.Module, example: Example) -> Callable[..., Any]:
        from torch._inductor import aoti_load_package

        from harness.devices.trees import tensors_in

        given = arguments_of(example)
        index = next(tensors_in((given.args, given.kwargs))).device.index
        # In the session's temporary folder, which is removed even if this process is killed.
        with tempfile.TemporaryDirectory(prefix="aoti-") as folder:
            package = Path(folder) / "model.pt2"
            write_package(model, example, package)
            # One thread calls it: it need not note by events which of its runs are over, which a capture would spoil
            # ("operation not permitted on an event last recorded in a capturing stream").
            loaded: Callable[..., Any] = aoti_load_package(
                str(package), run_single_threaded=True, device_index=-1 if index is None else index
            )
        return loaded

    def proof(self, built: Any) -> str | None:
        from torch.export.pt2_archive._package import AOTICompiledModel

        if not isinstance(built, AOTICompiledModel):
            return f"no package was loaded: what was prepared is a {type(built).__name__}"
        return None if built.get_metadata() else "the package that was loaded says nothing of itself"
