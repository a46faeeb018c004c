"""What a driver is asked for, and how it fails: plain values.

In: nothing. Out: a Task, a DriverError. Must not know torch, nor how a driver is spoken to.
"""

from __future__ import annotations

from dataclasses import dataclass


class DriverError(Exception):
    """A driver could not do what it was asked for. status: failed, unsupported, timeout or oom (core.schema); the
    message is one line."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(" ".join(reason.split()))
        self.status = status


@dataclass(frozen=True)
class Task:
    """One mode of an MLP to prepare. sizes: widths from input to output; batch: samples of a step. seed: of parameters,
    inputs and labels, the same for every environment. device: cpu or cuda."""

    framework: str
    mode: str
    workload: str
    sizes: tuple[int, ...]
    batch: int
    dtype: str
    autograd: str
    seed: int
    device: str = "cpu"
