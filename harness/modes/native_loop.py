"""A scripted model driven by a loop in C++: no Python between steps, and the interpreter lock let go of.

In: scripted modules, each with its input. Out: steps, and an output to check. Must not know timing or
ranks, and must not import torch when it is imported.
"""

from __future__ import annotations

import ctypes
import io
import weakref
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.modes.native_build import LIBRARY, build, problem

if TYPE_CHECKING:
    import torch

__all__ = ["NativeError", "NativeLoop", "problem"]

# More than any tensor of ours has.
MOST_DIMENSIONS, LONGEST_DTYPE = 16, 32


class NativeError(RuntimeError):
    """What went wrong in the loop, in the words of torch's C++ side."""


class NativeLoop:
    """Calls one scripted module after the other on its own inputs, for so many steps, all in C++.

    Each module gets across by being saved to memory and loaded by C++ on its input's device: the loop has
    parameters of its own, a copy. The inputs' memory is shared, so what is written into it is seen by
    the next step. Inference only (no gradients). One thread at a time may use a loop; loops with modules
    of their own may run in several threads at once, since a run holds no interpreter lock. A run cannot
    be interrupted from Python.
    """

    def __init__(
        self, pairs: Sequence[tuple[torch.jit.ScriptModule, torch.Tensor | Sequence[torch.Tensor]]]
    ) -> None:
        """Load the modules; pairs: (module, contiguous inputs on the device to run on), one a device.

        Raises HarnessError where the library cannot be built, NativeError for what cannot be loaded.
        """
        import torch

        self._take(
            [
                _Handle(module, [given] if isinstance(given, torch.Tensor) else list(given))
                for module, given in pairs
            ]
        )

    @classmethod
    def join(cls, loops: Sequence[NativeLoop]) -> NativeLoop:
        """One loop over the modules of several, in turn. It shares them, also after those are closed."""
        joined = cls.__new__(cls)
        joined._take([handle for loop in loops for handle in loop._handles])
        return joined

    def _take(self, handles: list[_Handle]) -> None:
        self._handles = handles
        self._pointers = (ctypes.c_void_p * len(handles))(*[handle.pointer for handle in handles])
        self._count = len(handles)

    @property
    def modules(self) -> int:
        """How many modules C++ has loaded for it; 0 after close()."""
        return sum(handle.pointer is not None for handle in self._handles)

    def run(self, steps: int) -> None:
        """Make so many steps: in each every module is called once, in turn, and its output dropped.

        Does not wait for the device. Raises NativeError with the reason if a call fails, and after close().
        """
        if not self._count:
            raise NativeError("the loop has nothing to run: it was closed, or was given no module")
        _checked(_library().native_run(self._pointers, self._count, steps))

    def output(self, index: int = 0) -> torch.Tensor:
        """Make one call of the module of that index, and answer its output: a new tensor on its device."""
        if not self._count:
            raise NativeError("the loop has no output: it was closed, or was given no module")
        return self._handles[index].output()

    def close(self) -> None:
        """Let go of the modules. They are freed when no joined loop drives them any more."""
        self._take([])


class _Handle:
    """One module on the C++ side, with the inputs that it reads, which must outlive it."""

    def __init__(self, module: torch.jit.ScriptModule, inputs: Sequence[torch.Tensor]) -> None:
        import torch

        if not all(each.is_contiguous() for each in inputs):
            raise NativeError("the input must be contiguous, since its memory is shared with C++")
        self.inputs = inputs
        self._device = inputs[0].device
        archive = io.BytesIO()
        torch.jit.save(module, archive)
        saved = archive.getvalue()
        library = _library()
        self.pointer: int | None = library.native_load(saved, len(saved), str(self._device).encode())
        if not self.pointer:
            raise NativeError(_last_error())
        weakref.finalize(self, library.native_free, self.pointer)
        for each in inputs:
            sizes = (ctypes.c_int64 * each.dim())(*each.shape)
            name = _dtype(each).encode()
            _checked(library.native_bind(self.pointer, each.data_ptr(), sizes, each.dim(), name))

    def output(self) -> torch.Tensor:
        import torch

        library = _library()
        sizes = (ctypes.c_int64 * MOST_DIMENSIONS)()
        dimensions = ctypes.c_size_t(MOST_DIMENSIONS)
        dtype = ctypes.create_string_buffer(LONGEST_DTYPE)
        _checked(library.native_call(self.pointer, sizes, ctypes.byref(dimensions), dtype, LONGEST_DTYPE))
        kind = getattr(torch, dtype.value.decode())
        taken = torch.empty(sizes[: dimensions.value], dtype=kind, device=self._device)
        _checked(library.native_take(self.pointer, taken.data_ptr(), _dtype(taken).encode()))
        return taken


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@lru_cache(maxsize=1)
def _library() -> Any:
    """The C++ side, built at the first use. Raises HarnessError where it cannot be."""
    import torch  # noqa: F401  (its libraries first: the very ones of this process are to be used)

    path = build() / LIBRARY
    # CDLL and not PyDLL: it lets go of the interpreter lock while a function runs.
    library = ctypes.CDLL(str(path))
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    int64s = ctypes.POINTER(ctypes.c_int64)
    for name, result, takes in (
        ("native_error", text, []),
        ("native_load", pointer, [text, size, text]),
        ("native_free", None, [pointer]),
        ("native_bind", ctypes.c_int, [pointer, pointer, int64s, size, text]),
        ("native_run", ctypes.c_int, [ctypes.POINTER(pointer), size, ctypes.c_int64]),
        ("native_call", ctypes.c_int, [pointer, int64s, ctypes.POINTER(size), text, size]),
        ("native_take", ctypes.c_int, [pointer, pointer, text]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, takes
    return library


def _checked(status: int) -> None:
    if status:
        raise NativeError(_last_error())


def _last_error() -> str:
    said: bytes = _library().native_error()
    return said.decode(errors="replace")
