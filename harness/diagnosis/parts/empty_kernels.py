"""The operators of a step, answered from a record of it, so that no kernel runs and nothing is allocated.

In: a step. Out: Answers: the step without its kernels, and its kernels without the step. Must not know timing or ranks.

A fallback in C++ (native/empty_kernels.cpp) lies below autograd and above the backends. While it records, it calls
through; while it answers, the n-th kernel's operator of the step gets what the n-th one recorded gave. Views are not
looked at, since they allocate nothing, and what writes into an argument is answered with that argument.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import weakref
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch  # its libraries first: the very ones of this process are to be used

from harness.core.errors import HarnessError
from harness.modes.native_build import EMPTY_KERNELS, build, problem

_STRAYED = "strayed: "
# As empty_on() takes it.
_RECORDING, _WATCHING, _ANSWERING, _TIMING = range(4)
_NO_MEMORY = -2


class Strayed(RuntimeError):
    """Another operator came than the record has at its place: the step is not the one that was recorded."""


def why_not() -> str | None:
    """Why operators cannot be answered here, in one line, or None. Builds the library at its first use."""
    if said := problem():
        return said
    try:
        _library()
    except HarnessError as error:
        return str(error)
    return None


class Answers:
    """The operators of one step in their order, as they arrive below autograd: each with what it was given and
    what it gave, which share memory with the step's (what a kernel writes to, unless the step made it, is a copy).

    One thread at a time may record or answer, in the whole process; backward's own threads belong to it.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        """Record one call, and see in two more how long the memory that it makes lives.

        Raises HarnessError where why_not() has a reason, Strayed where the calls differ, and what the call raises."""
        library = _library()
        self._pointer = library.empty_new()
        self._end = weakref.finalize(self, library.empty_free, self._pointer)
        with self._on(_RECORDING):
            call()
        with self._on(_WATCHING):
            call()
            call()

    @property
    def operators(self) -> int:
        """How many operators the step calls that are views, or have a kernel; not those made of others."""
        return self.kernels + self.views

    @property
    def kernels(self) -> int:
        """How many of them are answered."""
        return self._count(0)

    @property
    def views(self) -> int:
        """How many of them are executed, not answered: views, and notes for a profiler."""
        return self._count(1)

    @property
    def ends(self) -> list[int]:
        """Of each piece of memory that the step makes, in their order, before which call it is given back: in the step
        after it is counted on; -1 where it lives longer."""
        library, pointer = _library(), self._given()
        ends = (int(library.empty_end(pointer, piece)) for piece in itertools.count())
        return list(itertools.takewhile(lambda end: end != _NO_MEMORY, ends))

    @property
    def place(self) -> int:
        """How many operators of the step have been answered; 0 at the end of a step, too."""
        return int(_library().empty_place(self._given()))

    def instead(self) -> contextlib.AbstractContextManager[None]:
        """Within, in this thread: steps are answered from the record, one after the other.

        Raises Strayed for a step that calls another operator than was recorded, and RuntimeError where a record is in
        use already. A step that raised must be the last one in a context.
        """
        return self._on(_ANSWERING)

    def in_place(self) -> contextlib.AbstractContextManager[None]:
        """Within, in this thread: kernels run in their steps, and taken_ns() adds up. As instead(), otherwise."""
        return self._on(_TIMING)

    def taken_ns(self) -> int:
        """Nanoseconds that kernels took since this was asked last, in place or in run_timed()."""
        return int(_library().empty_taken(self._given()))

    def run_kernels(self, steps: int) -> None:
        """Run the kernels of so many steps in C++ without the step, on what they were given, but for what another of
        them made: that is made anew, and given back where the step does."""
        self._loop("empty_kernels", steps)

    def run_timed(self, steps: int) -> None:
        """The same; taken_ns() adds up."""
        self._loop("empty_timed", steps)

    def run_arguments(self, steps: int) -> None:
        """What run_kernels does beside kernels: arguments are laid out and dropped."""
        self._loop("empty_arguments", steps)

    def run_answers(self, steps: int) -> None:
        """What answering a step costs over operators without kernels: arguments in boxes, answers made."""
        self._loop("empty_answers", steps)

    def run_allocations(self, steps: int) -> None:
        """Allocate what kernels answer, each tensor freed at once."""
        self._loop("empty_allocations", steps)

    def close(self) -> None:
        """Let go of the record and the memory that it keeps alive."""
        self._end()

    def _given(self) -> Any:
        if not self._end.alive:
            raise RuntimeError("the record was closed")
        return self._pointer

    def _count(self, which: int) -> int:
        return int(_library().empty_count(self._given(), which))

    def _loop(self, name: str, steps: int) -> None:
        if getattr(_library(), name)(self._given(), steps):
            raise RuntimeError(_last_error())

    @contextlib.contextmanager
    def _on(self, how: int) -> Iterator[None]:
        library = _library()
        if library.empty_on(self._given(), how):
            raise RuntimeError(_last_error())
        try:
            yield
        except RuntimeError as error:
            if _STRAYED in str(error):
                said = str(error).partition(_STRAYED)[2].splitlines()[0]
                raise Strayed(said) from None
            raise
        finally:
            library.empty_off()


@lru_cache(maxsize=1)
def _library() -> Any:
    """The C++ side, built at the first use. Raises HarnessError where it cannot be, or torch has no place for it."""
    library = ctypes.CDLL(str(build() / EMPTY_KERNELS))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for name, result, takes in (
        ("empty_error", ctypes.c_char_p, []),
        ("empty_prepare", ctypes.c_int, []),
        ("empty_new", pointer, []),
        ("empty_free", None, [pointer]),
        ("empty_on", ctypes.c_int, [pointer, ctypes.c_int]),
        ("empty_off", None, []),
        ("empty_place", number, [pointer]),
        ("empty_taken", number, [pointer]),
        ("empty_count", number, [pointer, ctypes.c_int]),
        ("empty_end", number, [pointer, number]),
        *(
            (f"empty_{loop}", ctypes.c_int, [pointer, number])
            for loop in ("kernels", "timed", "arguments", "answers", "allocations")
        ),
    ):  # fmt: skip
        function = getattr(library, name)
        function.restype, function.argtypes = result, takes
    if library.empty_prepare():
        said = library.empty_error().decode(errors="replace").splitlines()[0]
        raise HarnessError(f"torch {torch.__version__} has no place for empty kernels: {said}")
    return library


def _last_error() -> str:
    said: bytes = _library().empty_error()
    return said.decode(errors="replace")
