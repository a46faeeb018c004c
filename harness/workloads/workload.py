"""What one step does: the axis `workload`.

In: a point, a mode, a device. Out: a Step to call, with what is needed to compare it with eager's.
Must not know timing, rounds or records.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from harness.devices.device import Device
from harness.devices.trees import tensors_in
from harness.modes import Mode
from harness.modes.example import arguments_of, called
from harness.plan.points import Point
from harness.workloads.autograd import calling, checked, making
from harness.workloads.places import moved
from harness.workloads.source import Source, optimizer_of, source_of

# With which what draws random numbers is seeded where outcomes are compared.
DRAWN = 20_000


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Step:
    """One prepared mode of a cell: call() makes one step.

    outcome() makes one step more and returns the tensors to hold against eager's. driven: what makes steps
    by itself, with `repeat(steps)` and `joined(others)`; None where each step is a call from Python.
    built: what the mode made of the model, by which it proves what it is. clear(): gives back what a step leaves behind
    for the next one, as gradients.
    """

    call: Callable[[], Any]
    outcome: Callable[[], list[torch.Tensor]]
    driven: Any = None
    built: Any = None
    clear: Callable[[], Any] = _nothing

    @property
    def once(self) -> Callable[[], Any]:
        """What a block repeats, and nothing beside it."""
        return self.call if self.repeat is None else partial(self.repeat, 1)

    @property
    def repeat(self) -> Callable[[int], Any] | None:
        """Makes so many steps with no Python between them; None where there is no such thing."""
        return None if self.driven is None else self.driven.repeat


def in_turn(steps: Sequence[Step]) -> tuple[Callable[[], Any], Callable[[int], Any] | None]:
    """One step of each, issued by one thread in turn: as a call, and as what repeats it without Python."""
    if len(steps) == 1:
        return steps[0].call, steps[0].repeat
    calls = [step.call for step in steps]

    def call() -> None:
        for each in calls:
            each()

    first, *others = (step.driven for step in steps)
    return call, None if first is None else first.joined(others).repeat


class Workload(ABC):
    """The shared part: parameters and shard of a cell. Every mode gets a model of its own, all built alike."""

    def __init__(
        self,
        point: Point,
        device: Device,
        shard: int,
        seed: int,
        places: str = "",
        source: Source | None = None,
    ) -> None:
        """shard: number of the device among those of all ranks; each has samples of its own. places: whatever tells
        this build from others; decides where its models lie. source: of the models, where it is not the point that
        says how they are made."""
        self.device = device
        self.autograd = point.autograd
        self.dtype = point.dtype
        self._point = point
        self._made_with = (device, shard, seed, places)
        self._places = random.Random(f"{seed}:{shard}:{places}")
        self._held: list[object] = []
        self._drawn = DRAWN
        self._source = source or source_of(point, device, shard, seed)
        self.example = self._source.example

    def new_model(self) -> nn.Module:
        """A model with the cell's parameters, in places of their own."""
        self._held += moved(self._places)
        with torch.inference_mode(False), making(self.autograd):
            return self._source.new_model()

    def context(self) -> AbstractContextManager[Any]:
        """What every call of the workload runs under."""
        return nullcontext()

    def built(self, mode: Mode, *, settled: bool = False) -> Step:
        """The mode's step on a model of its own, after a first call. settled: with what draws random numbers, dropout
        above all, switched off."""
        model = self.new_model()
        # What TorchScript learns of its first call under another context breaks the calls that follow under this one.
        with self.context():
            step = self.prepare(mode, model.eval() if settled else model)
            self.reseed()
            step.call()
        return step

    def in_float64(self) -> Workload:
        """The same workload with numbers in which rounding hardly shows."""
        return type(self)(replace(self._point, dtype="float64"), *self._made_with)

    def reseed(self) -> None:
        """What draws random numbers draws the same ones after each call of this."""
        torch.manual_seed(self._drawn)

    @contextmanager
    def drawing(self, seed: int) -> Iterator[None]:
        """Within: reseed() seeds by that."""
        before, self._drawn = self._drawn, seed
        try:
            yield
        finally:
            self._drawn = before

    @abstractmethod
    def prepare(self, mode: Mode, model: nn.Module) -> Step:
        """Build the mode's step on a new model; what this takes is the mode's preparation time."""


class Forward(Workload):
    """One call of the model on this rank's shard, under what `autograd` says."""

    def new_model(self) -> nn.Module:
        return super().new_model().eval()

    def context(self) -> AbstractContextManager[Any]:
        return calling(self.autograd)

    def prepare(self, mode: Mode, model: nn.Module) -> Step:
        run = mode.prepare(model, self.example)
        call = called(run, self.example)

        def outcome() -> list[torch.Tensor]:
            self.reseed()
            return checked(list(tensors_in(call())), self.autograd)

        return Step(call, outcome, run if hasattr(run, "repeat") else None, run)


class Train(Workload):
    """A loss, backward, all-reduce by DistributedDataParallel, an optimizer's step; each mode its own parameters."""

    replicated = True

    def prepare(self, mode: Mode, model: nn.Module) -> Step:
        prepared = mode.prepare(model, self.example)
        if not isinstance(prepared, nn.Module):
            raise TypeError(f"mode {mode.name} builds no module, so that there is nothing to train")
        replica: nn.Module = prepared
        if self.replicated:
            on_gpu = self.device.torch_device.type != "cpu"
            replica = DistributedDataParallel(
                prepared, device_ids=[self.device.torch_device.index] if on_gpu else None
            )
        optimizer = optimizer_of(self._point, replica)
        loss_of = self._source.loss(model)
        given = arguments_of(self.example)
        args, kwargs = given.args, given.kwargs

        def call() -> torch.Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(replica(*args, **kwargs))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss

        def outcome() -> list[torch.Tensor]:
            self.reseed()
            loss = call()
            gradients = [p.grad for p in replica.parameters() if p.grad is not None]
            return [loss.detach(), *gradients]

        return Step(call, outcome, built=prepared, clear=partial(optimizer.zero_grad, set_to_none=True))


class TrainAlone(Train):
    """As Train, on one rank that no other one waits for."""

    replicated = False


WORKLOADS: dict[str, type[Workload]] = {"forward": Forward, "train": Train}
