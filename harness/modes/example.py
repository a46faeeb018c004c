"""What a model is called with, where that is not one tensor.

In: what a model's `inputs` answered. Out: arguments. Must not know modes, and must not import torch when it is
imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import torch


# Parameters that may be given by their place.
BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Arguments:
    """Positional arguments and those by name: tensors, or tuples, lists and dicts of them, nested."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


# What a mode prepares a model for: a model of one tensor is given that tensor itself.
Example = Union["torch.Tensor", Arguments]


def arguments_of(example: Example) -> Arguments:
    """A tensor is the only argument."""
    return example if isinstance(example, Arguments) else Arguments((example,))


def positional(model: torch.nn.Module, example: Example) -> tuple[Any, ...]:
    """The example as positional arguments of the model's forward, up to the last one that is given, with the defaults
    of those before it. Raises TypeError where they do not fit."""
    given = arguments_of(example)
    if not given.kwargs:
        return given.args
    signature = inspect.signature(model.forward)
    bound = signature.bind(*given.args, **given.kwargs)
    last = max(list(signature.parameters).index(name) for name in bound.arguments)
    bound.apply_defaults()
    names = list(signature.parameters)[: last + 1]
    for name in names:
        if signature.parameters[name].kind not in BY_PLACE:
            raise TypeError(f"forward takes {name} by name alone")
    return tuple(bound.arguments[name] for name in names)


def called(run: Callable[..., Any], example: Example) -> Callable[[], Any]:
    """A call of it on the example, with nothing of ours between."""
    from functools import partial

    given = arguments_of(example)
    return partial(run, *given.args, **given.kwargs)
