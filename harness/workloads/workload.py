"""What one step does: the axis `workload`.

In: a point, a mode, a device. Out: a Step to call, with what is needed to compare it with eager's.
Must not know timing, rounds or records.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from harness.devices.device import Device
from harness.modes import Mode
from harness.plan.points import Point
from harness.workloads.autograd import calling, checked, making
from harness.workloads.model import MLP, build_batch, build_empty_model, build_model, copied
from harness.workloads.places import moved

# Small enough that thousands of steps on one batch neither diverge nor come to rest.
LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Step:
    """One prepared mode of a cell: call() makes one step.

    outcome() makes one step more and returns the tensors to hold against eager's. driven: what makes steps
    by itself, with `repeat(steps)` and `joined(others)`; None where each step is a call from Python.
    built: what the mode made of the model, by which it proves what it is.
    """

    call: Callable[[], Any]
    outcome: Callable[[], list[torch.Tensor]]
    driven: Any = None
    built: Any = None

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

    def __init__(self, point: Point, device: Device, shard: int, seed: int, places: str = "") -> None:
        """shard: number of the device among those of all ranks; each has samples of its own. places: whatever tells
        this build from others; decides where its models lie."""
        self.device = device
        self.autograd = point.autograd
        self._point = point
        self._places = random.Random(f"{seed}:{shard}:{places}")
        self._held: list[object] = []
        # None where nothing is computed: memory holds whatever it does.
        self._original: MLP | None = None
        if not device.computes:
            where = device.torch_device
            self.inputs = torch.empty(
                point.rank_batch, point.sizes[0], dtype=getattr(torch, point.dtype), device=where
            )
            self.labels = torch.empty(point.rank_batch, dtype=torch.int64, device=where)
            return
        self._original = build_model(point.sizes, dtype=point.dtype, device=device.torch_device, seed=seed)
        self.inputs, self.labels = build_batch(
            point.rank_batch,
            point.sizes[0],
            point.sizes[-1],
            dtype=point.dtype,
            device=device.torch_device,
            seed=seed * 100_003 + shard + 1,
        )

    def new_model(self) -> MLP:
        """A model with the cell's parameters, in places of their own.

        Built as its users build it and filled then: a deep copy has modules whose dictionaries share no keys, and is
        slower by more than a per cent for that.
        """
        point, device = self._point, self.device.torch_device
        self._held += moved(self._places)
        with torch.inference_mode(False), making(self.autograd):
            if self._original is None:
                return build_empty_model(point.sizes, dtype=point.dtype, device=device)
            return copied(self._original, point.sizes)

    def context(self) -> AbstractContextManager[Any]:
        """What every call of the workload runs under."""
        return nullcontext()

    def built(self, mode: Mode) -> Step:
        """The mode's step on a model of its own."""
        return self.prepare(mode, self.new_model())

    @abstractmethod
    def prepare(self, mode: Mode, model: MLP) -> Step:
        """Build the mode's step on a new model; what this takes is the mode's preparation time."""


class Forward(Workload):
    """One call of the model on this rank's shard, under what `autograd` says."""

    def new_model(self) -> MLP:
        return super().new_model().eval()

    def context(self) -> AbstractContextManager[Any]:
        return calling(self.autograd)

    def prepare(self, mode: Mode, model: MLP) -> Step:
        run = mode.prepare(model, self.inputs)
        call = partial(run, self.inputs)
        return Step(
            call, lambda: [checked(call(), self.autograd)], run if hasattr(run, "repeat") else None, run
        )


class Train(Workload):
    """Cross-entropy, backward, all-reduce by DistributedDataParallel, SGD; each mode its own parameters."""

    replicated = True

    def prepare(self, mode: Mode, model: MLP) -> Step:
        prepared = mode.prepare(model, self.inputs)
        if not isinstance(prepared, nn.Module):
            raise TypeError(f"mode {mode.name} builds no module, so that there is nothing to train")
        replica: nn.Module = prepared
        if self.replicated:
            on_gpu = self.device.torch_device.type != "cpu"
            replica = DistributedDataParallel(
                prepared, device_ids=[self.device.torch_device.index] if on_gpu else None
            )
        optimizer = torch.optim.SGD(replica.parameters(), lr=LEARNING_RATE)
        inputs, labels = self.inputs, self.labels
        loss_of = nn.functional.cross_entropy

        def call() -> torch.Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(replica(inputs), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss

        def outcome() -> list[torch.Tensor]:
            loss = call()
            gradients = [p.grad for p in replica.parameters() if p.grad is not None]
            return [loss.detach(), *gradients]

        return Step(call, outcome, built=prepared)


class TrainAlone(Train):
    """As Train, on one rank that no other one waits for."""

    replicated = False


WORKLOADS: dict[str, type[Workload]] = {"forward": Forward, "train": Train}
