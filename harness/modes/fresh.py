"""A model that torch.compile meets as if for the first time.

In: a module. Out: the same module, sharing everything, whose forward is code of its own. Must not know modes.
"""

from __future__ import annotations

import copy
import itertools
from types import FunctionType
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)

_numbers = itertools.count()


def with_code_of_its_own(model: M) -> M:
    """torch.compile keeps what it compiled by code object, looks through all of it at every call, and gives
    up after a few: every model of a sweep would slow the next ones down. With a copy of the code none meets
    another's."""
    forward = type(model).forward
    number = next(_numbers)
    code = forward.__code__.replace(co_name=f"forward_{number}")  # type: ignore[attr-defined]
    own = FunctionType(code, forward.__globals__, forward.__name__, forward.__defaults__, forward.__closure__)  # type: ignore[attr-defined]
    cls = type(model)
    twin = copy.copy(model)
    twin.__class__ = type(cls.__name__, (cls,), {"forward": own, "__module__": cls.__module__})
    return twin
