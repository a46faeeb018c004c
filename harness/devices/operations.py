"""How many operations a call asks of torch, backward passes included.

In: something to call. Out: a number. Must not know what is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations_in(call: Callable[[], Any]) -> int:
    """At least one. What a library in C++ does by itself, as a replayed graph, counts as nothing."""
    with _Counting() as counting:
        call()
    return max(1, int(counting.count))
