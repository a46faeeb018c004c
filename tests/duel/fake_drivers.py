"""Processes with known times on a machine with its own clock: what a duel concludes is held against what is true."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from harness.duel.cells import Cell
from harness.duel.driven import A_AGAIN, A, Arm, B, DriverError, Task

# Nanoseconds of a step.
Times = Callable[[Task], float]
START_S, PREPARE_S, WARM_S = 2.0, 0.2, 0.3


class Machine:
    """A clock that moves by what is done on it. drift: standard deviation of the logarithm of its pace, which wanders
    within some seconds. noise: of a block's time; one in 20 blocks is disturbed by a lot more."""

    def __init__(self, seed: int, *, drift: float = 0.1, noise: float = 0.03) -> None:
        self.chance = random.Random(seed)
        self._drift, self._noise = drift, noise
        self._log_pace, self.now_s = 0.0, 0.0

    def __call__(self) -> float:
        return self.now_s

    def passed(self, seconds: float) -> None:
        """The pace forgets itself within 5 s (an Ornstein-Uhlenbeck process)."""
        keep = math.exp(-seconds / 5.0)
        self._log_pace = keep * self._log_pace + self.chance.gauss(0, self._drift * math.sqrt(1 - keep**2))
        self.now_s += seconds

    def takes(self, ns: float) -> float:
        noisy = ns * math.exp(self._log_pace + self.chance.gauss(0, self._noise))
        if self.chance.random() < 0.05:
            noisy *= 1 + self.chance.expovariate(5)
        self.passed(noisy / 1e9)
        return noisy


class FakeDriver:
    """process: what a process has by chance, as a standard deviation of the logarithm of its times."""

    def __init__(
        self, machine: Machine, step_ns: Times, process: float, log: list[str], facts: Mapping[str, str]
    ) -> None:
        self.facts = facts
        self._machine, self._step_ns, self._log = machine, step_ns, log
        self._process, self._place, self._task = process, machine.chance.gauss(0, process), None
        machine.passed(START_S)

    def prepare(self, task: Task) -> tuple[list[float], ...]:
        self._task, self._of_task = task, self._machine.chance.gauss(0, self._process / 2)
        self._machine.passed(PREPARE_S)
        self._step_ns(task)
        return ([1.0, 2.0, 3.0],)

    def warm(self, block_ns: float, limit_s: float) -> int:
        self._machine.passed(WARM_S)
        return max(1, round(block_ns / self._truth()))

    def block(self, steps: int, lead: int) -> float:
        self._machine.takes(lead * self._truth())
        return self._machine.takes(steps * self._truth())

    def close(self) -> None:
        self._log.append("closed")

    def _truth(self) -> float:
        assert self._task is not None
        return self._step_ns(self._task) * math.exp(self._place + self._of_task)


def arms(
    machine: Machine,
    *,
    process: float = 0.006,
    facts: Mapping[str, Mapping[str, str]] | None = None,
    log: list[str] | None = None,
    **times: Times,
) -> list[Arm]:
    """times: by arm; those of A are its second process's too."""
    log = log if log is not None else []
    times = {A: times[A], A_AGAIN: times.get(A_AGAIN, times[A]), **times}

    def opening(name: str) -> Callable[[], FakeDriver]:
        def start() -> FakeDriver:
            log.append(name)
            said = (facts or {}).get(A if name == A_AGAIN else name, {"python": "3.11"})
            return FakeDriver(machine, times[name], process, log, said)

        return start

    return [Arm(name, f"the {name}", opening(name)) for name in times]


def constant(step_ns: float) -> Times:
    return lambda task: step_ns


def failing(status: str, error: str, *, mode: str = "eager", step_ns: float = 1e5) -> Times:
    """Of tasks in that mode."""

    def times(task: Task) -> float:
        if task.mode == mode:
            raise DriverError(status, error)
        return step_ns

    return times


def cell(mode: str = "eager", depth: int = 4, unsupported: str = "") -> Cell:
    task = Task("torch", mode, "forward", (64,) * (depth + 1), 1, "float32", "inference", 0)
    axes = {
        **{"model": f"mlp-64x{depth}", "depth": depth, "width": 64, "batch": 1, "devices": 1},
        **{"controller": "processes", "workload": "forward", "dtype": "float32", "autograd": "inference"},
        "mode": mode,
    }
    return Cell(f"{mode}{depth}", axes, task, unsupported)


__all__ = ["A_AGAIN", "A", "B", "FakeDriver", "Machine", "arms", "cell", "constant", "failing"]
