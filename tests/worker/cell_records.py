"""What tests of the worker measure with: modes that fail, devices that are not there, and how to read the records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from harness.devices.device import Device
from harness.modes import Mode
from harness.plan.config import TimingConfig

MODES = ["eager", "script", "trace"]

TIMING = TimingConfig(
    block_ms=0.2, builds=1, rounds=8, visit_rounds=8, rel_width=0.5, warmup_max_s=0.05, max_cell_s=6000
)

Records = list[dict[str, Any]]
Measure = Callable[..., Records]


class Alone:
    """Ranks of a session with one rank: nobody to agree with."""

    rank = local_rank = 0
    world_size = 1

    def barrier(self) -> None:
        pass

    def any(self, flag: bool) -> bool:
        return flag

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        return [list(values)]


def faulty(failing: Callable[[torch.nn.Module], torch.nn.Module]) -> Mode:
    """A mode that makes of a model whatever is given."""

    class Faulty(Mode):
        name, needs_python = "faulty", True

        def prepare(self, model, example):
            return failing(model)

    return Faulty()


def refuse(model: torch.nn.Module) -> torch.nn.Module:
    raise RuntimeError("this mode cannot be built\nsecond line")


class FailsAfter(torch.nn.Module):
    """A model that raises after so many calls."""

    def __init__(self, model: torch.nn.Module, calls: int, error: Exception) -> None:
        super().__init__()
        self.model, self.left, self.error = model, calls, error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.model(x)


class Asynchronous(Device):
    """A CPU that says it is an asynchronous device, whose stream is held long enough or not."""

    kind, asynchronous = "cuda", True

    def __init__(self, *, enough_ns: float = 0.0, broken: bool = False) -> None:
        super().__init__()
        self.enough_ns, self.broken, self.holds = enough_ns, broken, list[float]()

    def burst_steps(self, launches: int) -> int | None:
        return 4

    def captured(self, call: Any) -> Any:
        raise RuntimeError("a CPU cannot be captured")

    def is_broken(self) -> bool:
        return self.broken

    def gate(self, hold_ns: float) -> Any:
        self.holds.append(hold_ns)
        held = hold_ns >= self.enough_ns

        class Gate:
            def close(self) -> None: ...
            def begin(self) -> None: ...
            def end(self) -> bool:
                return held

            def elapsed_ns(self) -> float:
                return 40.0

        return Gate()


def of_kind(records: Records, kind: str) -> Records:
    return [record for record in records if record["type"] == kind]


def orders(records: Records) -> list[tuple[str, ...]]:
    """The keys of each round, in the order in which they were measured."""
    return [tuple(block["key"] for block in r["blocks"]) for r in of_kind(records, "round")]
