"""Attributes of torch that are something else for a while, and are in any case what they were afterwards.

In: objects, names and what stands in. Out: contexts. Must not know what the stand-ins note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

# What stands in for a function.
Around = Callable[[Callable[..., Any]], Callable[..., Any]]


@contextmanager
def patched(around: Iterable[tuple[Any, str, Around]]) -> Iterator[None]:
    """Within: each named attribute is what its Around makes of it; names that are not there are left out."""
    before: list[tuple[Any, str, bool, Any]] = []
    try:
        for owner, name, stand_in in around:
            original = getattr(owner, name, None)
            if original is None:
                continue
            # A class may only inherit it: then what stands in is taken away again, so that slots are inherited too.
            before.append((owner, name, name in vars(owner), vars(owner).get(name)))
            setattr(owner, name, stand_in(original))
        yield
    finally:
        for owner, name, own, original in reversed(before):
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)


_OPERATORS = (
    *(
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "matmul",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    ),
    *("eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "invert", "setitem"),
)


def _seen(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **named: Any) -> Any:
        return original(*args, **named)

    return call


def seen_calls() -> list[tuple[Any, str, Around]]:
    """What torch does with no event for a profiler: operators of tensors, and scripted functions that are called.

    As functions in Python they have events, and frames that are the harness's.
    """
    names = [f"__{prefix}{name}__" for name in _OPERATORS for prefix in ("", "r", "i")]
    found: list[tuple[Any, str, Around]] = [
        (torch.Tensor, name, _seen)
        for name in names
        if hasattr(torch._C.TensorBase, name) or name in vars(torch.Tensor)
    ]
    for kind in ("ScriptFunction", "ScriptMethod"):
        if hasattr(torch._C, kind):
            found.append((getattr(torch._C, kind), "__call__", _seen))
    return found
