"""Who issues the work to the devices: the axis `controller`.

In: a device count. Out: how many rank processes a session of that controller has.
Must not know torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Controller:
    """One way to issue work. ranks_per_device: rank processes that torchrun starts per device."""

    name: str
    description: str
    ranks_per_device: int

    def ranks(self, devices: int) -> int:
        """World size of a session that drives so many devices."""
        return self.ranks_per_device * devices


CONTROLLERS = {
    controller.name: controller
    for controller in (Controller("processes", "torchrun: one process per device", ranks_per_device=1),)
}
