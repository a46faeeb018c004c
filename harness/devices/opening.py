"""The device of a rank, by its kind.

In: a device kind and an index. Out: a Device. The only place that chooses between kinds.
Must not know modes, cells or records.
"""

from __future__ import annotations

from harness.devices.accelerator import Accelerator, Emulated
from harness.devices.device import Device


def open_device(kind: str, local_rank: int) -> Device:
    """The device of this rank: local_rank is an index among the visible ones, as torchrun means it."""
    if kind == "cpu":
        return Device()
    return Emulated(local_rank) if kind == "emulated" else Accelerator(local_rank)
