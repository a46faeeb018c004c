"""The ladder of a step in microseconds: what each part of the way from Python to a kernel takes of it.

In: a step and its device. Out: a Ladder. Must not know ranks, points or records.

Each part is what goes when it is taken away, or what is left when all else is; none is the whole less the others. What
they do not add up to is said.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from harness.core.stats.intervals import Interval, median_interval
from harness.devices.device import Device
from harness.diagnosis.parts.substitutes import Context, closing, substitutes
from harness.timing.interleaved import rounds

# Parts from the outside inwards. Launches are what kernels are to a host that does not wait for them.
PARTS = ("modules", "frames", "dispatcher", "autograd", "allocator", "kernels", "caches")


@dataclass(frozen=True)
class Part:
    """name: one of PARTS, or launches. us: microseconds of a step."""

    name: str
    us: Interval


@dataclass(frozen=True)
class Ladder:
    """A step of `whole` microseconds (where the device is asynchronous: of the host, to issue it), and its parts.

    unexplained: the whole less all parts, round by round. left_out: of each part that was not measured, why.
    modules, functions, operators: how many of them a step calls. interpreter_alone: what is left of the step if no
    function of torch is executed."""

    whole: Interval
    parts: tuple[Part, ...]
    unexplained: Interval
    left_out: dict[str, str]
    modules: int
    functions: int
    operators: int
    interpreter_alone: Interval | None

    def __str__(self) -> str:
        """A line a part, and how much of the whole each is."""
        named = [*((part.name, part.us) for part in self.parts), ("unexplained", self.unexplained)]
        if self.interpreter_alone:
            named.append(("(interpreter alone)", self.interpreter_alone))
        counts = f"{self.modules} modules, {self.functions} functions, {self.operators} operators"
        lines = [f"{_us(self.whole)} us a step: {counts}"]
        lines += [
            f"{name:>20} {_us(each)} us {each.estimate / self.whole.estimate:7.1%}" for name, each in named
        ]
        return "\n".join([*lines, *(f"{name:>20} {why}" for name, why in self.left_out.items())])


def climb(
    call: Callable[[], Any],
    *,
    model: torch.nn.Module | None,
    device: Device,
    context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    seconds: float,
) -> Ladder:
    """Measure the parts of a step.

    call: makes one step. model: whose modules the step calls. context: what steps are called within, entered outside
    of what is timed. seconds: for timing, but for the least number of rounds. The device is that of this thread.
    """
    with closing(substitutes(call, model=model, device=device, context=context)) as made:
        taken = _Taken(rounds(made.measures, seconds=seconds))
        innermost = "launches" if device.asynchronous else "kernels"
        parts = _parts(taken)
        parts = {innermost if name == "kernels" else name: each for name, each in parts.items()}
        if innermost != "kernels" and "kernels" in made.left_out:
            made.left_out[innermost] = made.left_out.pop("kernels")
        whole = taken["whole"]
        rest = [all_of - sum(each) for all_of, *each in zip(whole, *parts.values(), strict=True)]
        alone = taken.less("answered", "answered program", plus=("glue",))
        return Ladder(
            median_interval(whole),
            tuple(Part(name, median_interval(values)) for name, values in parts.items()),
            median_interval(rest),
            made.left_out,
            made.modules,
            made.functions,
            made.operators,
            median_interval(alone) if alone else None,
        )


def one_layer(
    call: Callable[[], Any],
    *,
    model: torch.nn.Module,
    device: Device,
    context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    seconds: float,
) -> tuple[str, Ladder] | None:
    """The class of modules without parts that the step calls most, and the ladder of one call of it, on what it was
    given first. None where the step calls no such module."""
    called: Counter[str] = Counter()
    first: dict[str, tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any], Context]] = {}

    def note(module: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        name = type(module).__name__
        called[name] += 1
        first.setdefault(name, (module, _cut(given), _cut(named), _present()))

    leaves = [module for module in model.modules() if next(module.children(), None) is None]
    hooks = [leaf.register_forward_pre_hook(note, with_kwargs=True) for leaf in leaves]
    try:
        with context():
            call()
    finally:
        for hook in hooks:
            hook.remove()
    if not called:
        return None
    (name, _), = called.most_common(1)  # fmt: skip
    module, given, named, present = first[name]

    @contextlib.contextmanager
    def within() -> Iterator[None]:
        with context(), present():
            yield

    # Not a function of Python's, whose frame would be counted.
    step = partial(module, *given, **named)
    return name, climb(step, model=module, device=device, context=within, seconds=seconds)


class _Taken(dict[str, list[float]]):
    """Of each measure its values, one a round, in microseconds."""

    def __init__(self, values: Mapping[str, list[float]]) -> None:
        super().__init__({name: [each / 1e3 for each in taken] for name, taken in values.items()})

    def less(self, what: str, *others: str, plus: tuple[str, ...] = ()) -> list[float] | None:
        """Round by round; None where one of them was not measured."""
        if not {what, *others, *plus} <= self.keys():
            return None
        columns = [self[name] for name in (what, *plus)], [self[name] for name in others]
        return [
            sum(column[at] for column in columns[0]) - sum(column[at] for column in columns[1])
            for at in range(len(self[what]))
        ]


def _parts(taken: _Taken) -> dict[str, list[float]]:
    outermost = "direct" if "direct" in taken else "whole"
    found = {
        "modules": taken.less("whole", "direct"),
        "frames": taken.less(outermost, "program", plus=("glue",)),
        "dispatcher": taken.less("no kernels", "answers", "glue"),
        "autograd": taken.less("program", "no autograd"),
        "allocator": taken.less("allocations"),
        "kernels": taken.less("kernels", "arguments", "allocations"),
        "caches": taken.less("kernels in place", "kernels by themselves"),
    }
    if "answers without autograd" in taken:
        found["dispatcher"] = taken.less("no autograd", "answers without autograd", "glue")
        found["autograd"] = taken.less(
            "no kernels", "answers", "no autograd", plus=("answers without autograd",)
        )
    return {name: values for name in PARTS if (values := found[name]) is not None}


def _us(each: Interval) -> str:
    return f"{each.estimate:9.2f} [{each.low:.2f}, {each.high:.2f}]"


def _cut(value: Any) -> Any:
    """The same tensors, made by nothing: a graph that is gone backward through is not to be gone through again."""
    if isinstance(value, torch.Tensor):
        return value if value.is_leaf else value.detach().requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(_cut, value))
    return {key: _cut(each) for key, each in value.items()} if type(value) is dict else value


def _present() -> Context:
    """What the modes of autograd are now."""
    if torch.is_inference_mode_enabled():
        return torch.inference_mode
    return torch.enable_grad if torch.is_grad_enabled() else torch.no_grad
