"""The torch functions that a step calls from Python, recorded, and answered from the record.

In: a step. Out: its calls in order; contexts in which only modules and Python frames run. Must not know timing, devices
or ranks.

A mode of torch sees every function of torch that Python calls. Functions of torch.nn.functional are Python themselves:
they are made to take their usual way, so that what is recorded is what they call, and their frames are the step's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional
import torch.overrides
from torch.overrides import TorchFunctionMode

# Values that say nothing of a tensor's numbers: what asks for these alone is part of the Python around the calls.
_ASKS = frozenset({
    "size", "dim", "ndimension", "stride", "numel", "nelement", "element_size", "storage_offset", "get_device",
    "is_contiguous", "is_floating_point", "is_complex", "is_signed", "is_inference", "is_pinned", "is_same_size",
    "is_set_to", "is_shared", "is_tensor", "data_ptr", "__len__", "__repr__", "__hash__", "__format__",
})  # fmt: skip
# What backward is called by: it runs operators that no function of torch called from Python stands for.
BACKWARD = frozenset({"backward"})


@dataclass(frozen=True)
class FunctionCall:
    """One call of a torch function. asks: it only asks what a tensor is (shape, type), and answers no tensor."""

    function: Callable[..., Any]
    given: tuple[Any, ...]
    named: dict[str, Any]
    result: Any
    asks: bool

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", self.function))


@dataclass(frozen=True)
class Recording:
    """The calls of one step, and what the step answered.

    inference: whether the step turns inference mode on around all of them. grad: whether it records for backward."""

    calls: tuple[FunctionCall, ...]
    output: Any
    inference: bool
    grad: bool

    @property
    def functions(self) -> int:
        """How many functions are called, but for those that only ask."""
        return sum(not call.asks for call in self.calls)

    @property
    def backward(self) -> bool:
        return any(call.name in BACKWARD for call in self.calls)


class CannotRecord(RuntimeError):
    """Why the step's calls are not all that it does."""


def record_functions(call: Callable[[], Any]) -> Recording:
    """Make one call and record it. Keeps all its tensors alive. Raises CannotRecord, and what the call raises."""
    outside = torch.is_inference_mode_enabled()
    mode = _Recorder()
    with _plain_functional(), mode:
        output = call()
    if len(mode.inference) > 1:
        raise CannotRecord("the step turns inference mode on or off in its midst")
    inference = mode.inference.pop() if mode.inference else outside
    if outside and not inference:
        raise CannotRecord("the step turns inference mode off")
    grad = any(_records(made.result) for made in mode.calls)
    return Recording(tuple(mode.calls), output, inference and not outside, grad)


@contextlib.contextmanager
def answered(recording: Recording) -> Iterator[Callable[[], int]]:
    """Within: steps get the recorded results, and no function of torch is executed but those that only ask.

    Answers what answers how many calls of the present step were made; 0 at a step's end.
    """
    mode = _Answerer(recording)
    with _plain_functional(), mode:
        yield lambda: mode.place


def modules_called(call: Callable[[], Any]) -> int:
    """How many modules are called within a call of the step."""
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    hook = torch.nn.modules.module.register_module_forward_pre_hook(counted)
    try:
        call()
    finally:
        hook.remove()
    return count


@contextlib.contextmanager
def called_directly(model: torch.nn.Module) -> Iterator[None]:
    """Within: calling a module of the model is calling its forward.

    A class stays as it is where a module of it needs its call: for hooks, a forward of its own, or another __call__.
    """
    kept: list[tuple[type[torch.nn.Module], Any]] = []
    modules: dict[type[torch.nn.Module], list[torch.nn.Module]] = {}
    for module in model.modules():
        modules.setdefault(type(module), []).append(module)
    try:
        for each, those in modules.items():
            if all(_needs_no_call(module) for module in those):
                kept.append((each, each.__dict__.get("__call__")))
                each.__call__ = each.forward  # type: ignore[method-assign, assignment]
        yield
    finally:
        for each, before in kept:
            if before is None:
                del each.__call__
            else:
                each.__call__ = before  # type: ignore[method-assign]


_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_compiled_call_impl",
)


def _needs_no_call(module: torch.nn.Module) -> bool:
    own = type(module).__call__ is not torch.nn.Module.__call__
    return not (own or "forward" in vars(module) or any(getattr(module, name, None) for name in _HOOKS))


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[FunctionCall] = []
        self.inference: set[bool] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        # Lists are copied: the step may change its own later.
        given = tuple(list(each) if type(each) is list else each for each in args)
        result = func(*args, **named)
        name = getattr(func, "__name__", "")
        asks = (name == "__get__" or name in _ASKS) and not _holds_tensor(result)
        self.calls.append(FunctionCall(func, given, dict(named), result, asks))
        self.inference.add(torch.is_inference_mode_enabled())
        return result


class _Answerer(TorchFunctionMode):
    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._answers = [(call.asks, call.result) for call in recording.calls]
        self._count = len(self._answers)
        self.place = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        place = self.place
        asks, result = self._answers[place]
        place += 1
        self.place = place if place != self._count else 0
        if asks:
            return func(*args, **kwargs) if kwargs else func(*args)
        return result


def _no(*_: Any) -> bool:
    return False


@contextlib.contextmanager
def _plain_functional() -> Iterator[None]:
    """Within: Python code of torch that looks whether a mode sees it finds none.

    Else functions of torch.nn.functional would be one call each, and attention would leave its fast path.
    """
    places = [
        (module, name)
        for module in (torch.nn.functional, torch.overrides)
        for name in ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
        if hasattr(module, name)
    ]
    before = [getattr(module, name) for module, name in places]
    try:
        for module, name in places:
            setattr(module, name, _no)
        yield
    finally:
        for (module, name), function in zip(places, before, strict=True):
            setattr(module, name, function)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensor, value))
    return isinstance(value, torch.Tensor)


def _records(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_records, value))
    return isinstance(value, torch.Tensor) and value.grad_fn is not None
