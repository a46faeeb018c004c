"""Where a cell's models come from, what they are called with, and what they are trained against.

In: a point, a device, a seed. Out: modules that hold the same parameters, inputs, a loss. Must not know modes or
timing.

The MLP is the harness's own; any other model is made by the callables that its recipe names.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from harness.devices.device import Device
from harness.devices.trees import mapped, tensors_in
from harness.models.mlp import MLP, build_batch, build_empty_model, build_model, copied
from harness.modes.example import BY_PLACE, Arguments, Example, called
from harness.plan.lookup import find, taken
from harness.plan.points import Point

# Small enough that thousands of steps on one batch neither diverge nor come to rest.
LEARNING_RATE = 1e-4

# Answers a scalar, given what the model answered.
Loss = Callable[[Any], torch.Tensor]


class Source(ABC):
    """The models of one cell on one device. example: what they are called with."""

    example: Example

    @abstractmethod
    def new_model(self) -> nn.Module:
        """A model with the cell's parameters, in places of their own, built as its users build it: a deep copy has
        modules whose dictionaries share no keys, and is slower by more than a per cent for that."""

    @abstractmethod
    def loss(self, model: nn.Module) -> Loss:
        """Of the model's output on the example."""


def source_of(point: Point, device: Device, shard: int, seed: int) -> Source:
    """shard: number of the device among those of all ranks; each has samples of its own."""
    return (Made if point.recipe.target else Perceptron)(point, device, shard, seed)


def optimizer_of(point: Point, replica: nn.Module) -> torch.optim.Optimizer:
    """As the recipe says; SGD by default."""
    make: Any = find(point.recipe.optimizer) if point.recipe.optimizer else torch.optim.SGD
    optimizer: torch.optim.Optimizer = make(replica.parameters(), lr=LEARNING_RATE)
    return optimizer


def _seed_of_shard(seed: int, shard: int) -> int:
    return seed * 100_003 + shard + 1


class Perceptron(Source):
    """An MLP."""

    def __init__(self, point: Point, device: Device, shard: int, seed: int) -> None:
        self._point, self._where = point, device.torch_device
        # None where nothing is computed: memory holds whatever it does.
        self._original: MLP | None = None
        samples, features, classes = point.rank_batch, point.sizes[0], point.sizes[-1]
        if not device.computes:
            dtype = getattr(torch, point.dtype)
            self.example = torch.empty(samples, features, dtype=dtype, device=self._where)
            self._labels = torch.empty(samples, dtype=torch.int64, device=self._where)
            return
        self._original = build_model(point.sizes, dtype=point.dtype, device=self._where, seed=seed)
        self.example, self._labels = build_batch(
            samples,
            features,
            classes,
            dtype=point.dtype,
            device=self._where,
            seed=_seed_of_shard(seed, shard),
        )

    def new_model(self) -> nn.Module:
        if self._original is None:
            return build_empty_model(self._point.sizes, dtype=self._point.dtype, device=self._where)
        return copied(self._original, self._point.sizes)

    def loss(self, model: nn.Module) -> Loss:
        if self._point.recipe.loss:
            return _named_loss(self._point.recipe.loss, None, model, self.example)
        # As a script calls it, with nothing of ours between.
        return partial(nn.functional.cross_entropy, target=self._labels)


class Made(Source):
    """A model that the callables of a recipe make."""

    def __init__(self, point: Point, device: Device, shard: int, seed: int) -> None:
        self._recipe = point.recipe
        self._where, self._dtype = device.torch_device, getattr(torch, point.dtype)
        self._seed = seed
        self._build = find(point.recipe.target)
        # None where nothing is computed: what parameters hold is never read.
        self._state = self._built().state_dict() if device.computes else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed_of_shard(seed, shard))
            inputs = self._given(point.recipe.inputs, point.rank_batch)
            targets = self._given(point.recipe.targets, point.rank_batch) if point.recipe.targets else None
        # What a tokenizer answers is no dict, and is one to its user.
        inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self.example = example_of(mapped(self._moved, inputs))
        self._targets = None if targets is None else mapped(self._moved, targets)

    def new_model(self) -> nn.Module:
        model = self._built()
        if self._state is not None:
            model.load_state_dict(self._state)
        return model

    def loss(self, model: nn.Module) -> Loss:
        return _named_loss(self._recipe.loss, self._targets, model, self.example)

    def _built(self) -> nn.Module:
        """The same parameters each time and on every rank, as far as its user draws them by torch."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            model = self._called_to_build()
        return model.to(device=self._where, dtype=self._dtype)

    def _called_to_build(self) -> nn.Module:
        model = self._build(**taken(self._build, self._recipe.arguments))
        if not isinstance(model, nn.Module):
            raise TypeError(f"{self._recipe.target} answered a {type(model).__name__}, not a torch.nn.Module")
        return model

    def _given(self, name: str, samples: int) -> Any:
        function = find(name)
        return function(samples, **taken(function, self._recipe.arguments, 1))

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = self._dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(device=self._where, dtype=dtype)


class Given(Source):
    """A module that somebody hands over, where it is, with what it is called with. What is made of it are deep copies:
    it itself is left alone."""

    def __init__(self, model: nn.Module, inputs: Any, loss: str = "") -> None:
        """inputs: a tensor, a tuple of positional arguments, or a dict of those by name. loss: a name, as in a recipe.
        Raises TypeError for others."""
        self._model, self._loss = model, loss
        self.example = example_of(inputs)

    def new_model(self) -> nn.Module:
        return copy.deepcopy(self._model)

    def loss(self, model: nn.Module) -> Loss:
        return _named_loss(self._loss, None, model, self.example)


def example_of(inputs: Any) -> Example:
    """A tuple or list is positional arguments, a dict those by name; what is nested in them is handed on as it is."""
    if isinstance(inputs, torch.Tensor):
        return inputs
    if isinstance(inputs, (tuple, list)):
        return Arguments(tuple(inputs))
    if isinstance(inputs, dict):
        return Arguments(kwargs=inputs)
    raise TypeError(f"inputs are a {type(inputs).__name__}: tensors, tuples or dicts are known")


def _named_loss(name: str, targets: Any, model: nn.Module, example: Example) -> Loss:
    """Without a name: the output's own `loss`, else the mean of its squares. A loss that wants something to compare
    with is given the targets or, without them, numbers between 0 and 1 of the output's shape, which sum to 1 over its
    second dimension: good for losses on values, on logits and on classes alike."""
    if not name:
        return _own_loss
    loss = find(name)
    if targets is None:
        if not _wants_targets(loss):
            return loss
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            output = called(model, example)()
            if not isinstance(output, torch.Tensor):
                raise TypeError(
                    f"{name} wants something to compare with: model.targets=package.module:targets"
                )
            drawn = torch.rand(output.shape).to(device=output.device, dtype=output.dtype)
            targets = drawn.softmax(1) if drawn.dim() > 1 and drawn.shape[1] > 1 else drawn
    return lambda output: loss(output, targets)


def _wants_targets(loss: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return True
    needed = [p for p in parameters if p.default is inspect.Parameter.empty and p.kind in BY_PLACE]
    return len(needed) > 1


def _own_loss(output: Any) -> torch.Tensor:
    own = getattr(output, "loss", None)
    if isinstance(own, torch.Tensor):
        return own
    values = [tensor for tensor in tensors_in(output) if tensor.is_floating_point()]
    total = torch.stack([tensor.square().mean() for tensor in values]).sum() if len(values) > 1 else None
    return values[0].square().mean() if total is None else total
