"""A model that a compiler meets as if for the first time.

In: a module. Out: the same module, sharing everything, of a class or with code of its own. Must not know modes.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)

_numbers = itertools.count()


def with_code_of_its_own(model: M) -> M:
    """torch.compile keeps what it compiled by code object, looks through all of it at every call, and gives
    up after a few: every model of a sweep would slow the next ones down. With a copy of the code none meets
    another's."""
    forward = type(model).forward
    number = next(_numbers)
    code = forward.__code__.replace(co_name=f"forward_{number}", co_filename=__file__)  # type: ignore[attr-defined]
    own = FunctionType(code, forward.__globals__, forward.__name__, forward.__defaults__, forward.__closure__)  # type: ignore[attr-defined]
    return _twin(model, {"forward": own})


def with_call_of_its_own(model: nn.Module) -> Callable[..., Any]:
    """The call of a model, of code of its own: what torch.compile makes itself of one whose forward is of torch's own
    files (a bare nn.Sequential), but of one piece of code for all of them. So Module.__call__ is within what is
    compiled; outside of it takes 3 to 4 % of three layers."""

    def called(*arguments: Any, **named: Any) -> Any:
        return model(*arguments, **named)

    called.__code__ = called.__code__.replace(co_name=f"called_{next(_numbers)}")
    return called


def with_class_of_its_own(model: M) -> M:
    """torch.jit.script keeps one compiled graph for all models of a class that are built alike, and with it what it
    learnt when that ran first: whether autograd recorded. A later one under inference mode would then fail (Inference
    tensors cannot be saved for backward), and one under no_grad would record. Of a class of its own none meets
    another's graph. Graphs stay in the process, as those of torch.jit.trace do: 3 MiB of 96 layers."""
    return _twin(model, {})


def _twin(model: M, attributes: dict[str, Any]) -> M:
    cls = type(model)
    twin = copy.copy(model)
    twin.__class__ = type(cls.__name__, (cls,), {**attributes, "__module__": cls.__module__})
    return twin
