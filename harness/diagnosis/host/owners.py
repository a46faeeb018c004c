"""Whose a frame is, by the file of its code, and whose a function written in C.

In: code objects, built-in functions. Out: owners. Must not know times.
"""

from __future__ import annotations

import enum
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

import torch

from harness.core.files.places import PACKAGE


class Owner(enum.Enum):
    """SHARED: works for whoever calls it, as the standard library does. TORCH: the harness too, and generated code."""

    USER = enum.auto()
    LIBRARY = enum.auto()
    SHARED = enum.auto()
    TORCH = enum.auto()


_TORCH = f"{Path(torch.__file__).resolve().parent}/"
_OURS = (_TORCH, f"{PACKAGE}/")
# Installed beside torch because it needs them; a user who calls them is named all the same.
_NEEDED = (
    *("numpy", "sympy", "mpmath", "networkx", "jinja2", "filelock", "fsspec", "typing_extensions.py"),
    *("setuptools", "optree", "packaging", "_distutils_hack"),
)
_OF_TORCH = ("functorch", "torchgen", "triton")
_STANDARD = tuple({f"{Path(sysconfig.get_paths()[name]).resolve()}/" for name in ("stdlib", "platstdlib")})
_INSTALLED = ("/site-packages/", "/dist-packages/")
# Names of code without a file that somebody typed: an interactive session.
_TYPED = ("<stdin>", "<ipython", "<python-input")


@lru_cache(maxsize=4096)
def is_harness(file: str) -> bool:
    """Whether code is the harness's own, by the file that it has."""
    return str(Path(file).resolve()).startswith(f"{PACKAGE}/")


@lru_cache(maxsize=65536)
def owner_of(file: str) -> Owner:
    """Whose code is that has this file, as code.co_filename names it."""
    if file.startswith("<"):
        if file.startswith("<eval_with_key>"):
            return Owner.TORCH  # torch.fx generates it
        return Owner.USER if file.startswith(_TYPED) else Owner.SHARED
    path = str(Path(file).resolve())
    if path.startswith(_OURS) or "torchinductor" in path:
        return Owner.TORCH
    for folder in _INSTALLED:
        if folder in path:
            package = path.rpartition(folder)[2].partition("/")[0]
            if package in _OF_TORCH:
                return Owner.TORCH
            return Owner.SHARED if package in _NEEDED else Owner.LIBRARY
    return Owner.SHARED if path.startswith(_STANDARD) else Owner.USER


def module_of(function: Any) -> str:
    """The module that a built-in function or a method written in C comes from; "torch" for those of tensors."""
    module = getattr(function, "__module__", None)
    if isinstance(module, str):
        return module
    kind = type(function.__self__)
    if issubclass(kind, type):
        kind = function.__self__
    if issubclass(kind, torch._C.TensorBase):
        return "torch"
    return str(kind.__module__)


def is_torch(module: str) -> bool:
    return module == "torch" or module.startswith("torch.")


# Where frames of torch wait for data, and where those of the standard library do.
_LOADING = f"{_TORCH}utils/data/"
_WAITING = {
    ("queue.py", "get"),
    ("multiprocessing/queues.py", "get"),
    ("multiprocessing/connection.py", "recv"),
    ("multiprocessing/connection.py", "recv_bytes"),
    ("multiprocessing/connection.py", "wait"),
}


@lru_cache(maxsize=65536)
def asks_for_data(code: CodeType) -> bool:
    """Whether a frame of this code, and all that it calls, is there to get data."""
    file = code.co_filename
    if owner_of(file) is Owner.TORCH:
        return str(Path(file).resolve()).startswith(_LOADING)
    if owner_of(file) is not Owner.SHARED:
        return False
    return any(code.co_name == name and file.endswith(f"/{end}") for end, name in _WAITING)
