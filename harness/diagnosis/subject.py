"""What is diagnosed: a step that can be called and, where a model is known, the same step in other modes.

In: a callable, a module with inputs, or names of what makes them. Out: a Subject. Must not know how it is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.core.emulated import EMULATED
from harness.core.errors import ConfigError
from harness.devices.device import Device
from harness.devices.opening import open_device
from harness.devices.trees import mapped, tensors_in
from harness.modes import get_mode
from harness.plan.lookup import find, lacking, taken
from harness.plan.points import Point
from harness.plan.recipe import Recipe, as_json
from harness.workloads.source import Given, Source
from harness.workloads.workload import Forward, Step, TrainAlone, Workload

SEED = 0
# Beside a function that builds a model, in the same module.
INPUTS = "inputs"


@dataclass(frozen=True)
class Subject:
    """call: makes one step, within context(). workload: what builds the step in other modes; None for a step of which
    nothing but the call is known. doubled: the same with twice the samples; None where that cannot be made. model: the
    modules that the step calls, where they are known."""

    name: str
    call: Callable[[], Any]
    device: Device
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    workload: Workload | None = None
    doubled: Callable[[], Workload] | None = None
    model: nn.Module | None = None
    train: bool = False

    def in_mode(self, mode: str) -> Step:
        """The step in another mode, after its first call. Raises what the mode raises."""
        if self.workload is None:
            raise ValueError("of a bare step no other mode can be built")
        return self.workload.built(get_mode(mode))


@dataclass(frozen=True)
class Named:
    """Names on the command line: of what builds a model or a step, of what makes its inputs, and how it is trained.
    arguments: for those callables, each with those that it takes."""

    build: str
    inputs: str = ""
    targets: str = ""
    loss: str = ""
    optimizer: str = ""
    train: bool = False
    samples: int = 1
    arguments: dict[str, Any] | None = None


def subject_of_step(step: Callable[[], Any], name: str = "") -> Subject:
    """Raises TypeError for what cannot be called."""
    if not callable(step):
        raise TypeError(f"a step is something to call, not a {type(step).__name__}")
    model = getattr(step, "__self__", None)
    said = name or getattr(step, "__qualname__", type(step).__name__)
    return Subject(said, step, _device_in_use(), model=model if isinstance(model, nn.Module) else None)


def subject_of_model(
    model: nn.Module, inputs: Any, *, train: bool = False, loss: str = "", name: str = ""
) -> Subject:
    """inputs: a tensor, a tuple of positional arguments, or a dict of those by name. The module is copied, so that it
    stays what it is; forward runs in eval under inference_mode, training as `loss` says (docs/models.md)."""
    first = next(iter([*model.parameters(), *model.buffers(), *tensors_in(inputs)]), None)
    device = _device_of(torch.device("cpu") if first is None else first.device)
    samples = _samples(inputs) or 1
    point = _point(name or type(model).__name__, samples, _dtype_of(model), train, Recipe(loss=loss))
    source = Given(model, inputs, loss)
    workload = _workload(point, device, source)

    def doubled() -> Workload:
        twice = mapped(lambda tensor: torch.cat([tensor, tensor]), inputs)
        return _workload(point, device, Given(model, twice, loss))

    return _of_workload(workload, point, device, doubled if _samples(inputs) else None)


def subject_of_names(named: Named, device: Device) -> Subject:
    """What `build` answers is a module, a pair of a module and its inputs, or a step to call.

    Raises ConfigError in one line for names that lead nowhere, and whatever their callables raise.
    """
    build = _found("BUILD", named.build)
    arguments = named.arguments or {}
    if missing := lacking(build, arguments):
        raise ConfigError(
            "BUILD", named.build, f"a callable whose arguments are given: --arg {missing[0]}=..."
        )
    made = build(**taken(build, arguments))
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        model, inputs = made[0].to(device.torch_device), mapped(lambda t: t.to(device.torch_device), made[1])
        return subject_of_model(model, inputs, train=named.train, loss=named.loss, name=named.build)
    if not isinstance(made, nn.Module):
        if callable(made):
            return subject_of_step(made, named.build)
        what = (
            f"what answers a torch.nn.Module, (module, inputs), or a step; it answers a {type(made).__name__}"
        )
        raise ConfigError("BUILD", named.build, what)
    recipe = Recipe(
        target=named.build,
        inputs=_inputs_beside(named),
        targets=named.targets,
        args=as_json(arguments),
        loss=named.loss,
        optimizer=named.optimizer,
    )
    point = _point(named.build, named.samples, _dtype_of(made), named.train, recipe)

    def doubled() -> Workload:
        return _workload(_point(named.build, 2 * named.samples, point.dtype, named.train, recipe), device)

    return _of_workload(_workload(point, device), point, device, doubled)


def _found(key: str, name: str) -> Callable[..., Any]:
    try:
        return find(name)
    except LookupError as error:
        raise ConfigError(key, name, str(error)) from None


def _inputs_beside(named: Named) -> str:
    """As it is named, else what is called `inputs` beside what builds. Raises ConfigError where there is none."""
    module = (
        named.build.replace(":", ".").rpartition(".")[0]
        if ":" not in named.build
        else named.build.partition(":")[0]
    )
    name = named.inputs or f"{module}:{INPUTS}"
    try:
        function = find(name)
    except LookupError as error:
        allowed = (
            str(error) if named.inputs else f"module:name of what makes the inputs: {module} has no {INPUTS}"
        )
        raise ConfigError("--inputs", named.inputs or "", allowed) from None
    if missing := lacking(function, named.arguments or {}, 1):
        raise ConfigError("--inputs", name, f"a callable whose arguments are given: --arg {missing[0]}=...")
    return name


def _of_workload(
    workload: Workload, point: Point, device: Device, doubled: Callable[[], Workload] | None
) -> Subject:
    step = workload.built(get_mode("eager"))
    return Subject(
        name=point.model,
        call=step.call,
        device=device,
        context=workload.context,
        workload=workload,
        doubled=doubled,
        model=step.built,
        train=point.workload == "train",
    )


def _workload(point: Point, device: Device, source: Source | None = None) -> Workload:
    kind = TrainAlone if point.workload == "train" else Forward
    return kind(point, device, 0, SEED, source=source)


def _point(name: str, samples: int, dtype: str, train: bool, recipe: Recipe) -> Point:
    return Point(
        model=name,
        sizes=(),
        depth=None,
        width=None,
        batch=samples,
        devices=1,
        controller="processes",
        workload="train" if train else "forward",
        dtype=dtype,
        mode="eager",
        scaling="weak",
        recipe=recipe,
    )


def _dtype_of(model: nn.Module) -> str:
    kinds = [p.dtype for p in model.parameters() if p.is_floating_point()]
    return str(kinds[0] if kinds else torch.get_default_dtype()).removeprefix("torch.")


def _samples(inputs: Any) -> int | None:
    """Of the first dimension, where all tensors agree on it."""
    sizes = {tensor.shape[0] if tensor.dim() else None for tensor in tensors_in(inputs)}
    return sizes.pop() if len(sizes) == 1 else None


def _device_in_use() -> Device:
    """The accelerator, where this process has memory of one; the CPU else."""
    used = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    if used and torch.cuda.memory_allocated():
        return _device_of(torch.device("cuda", torch.cuda.current_device()))
    return Device()


def _device_of(place: torch.device) -> Device:
    if place.type == "cpu":
        return Device()
    index = place.index or 0
    emulated = torch.cuda.get_device_name(index).startswith(EMULATED)
    return open_device("emulated" if emulated else place.type, index)
