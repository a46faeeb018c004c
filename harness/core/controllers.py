"""Who issues the work to the devices: the axis `controller`.

In: a device count. Out: how many rank processes a session of that controller has, and how many threads
issue. Must not know torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Controller:
    """One way to issue work. process_per_device, thread_per_device: whether each device has its own;
    without either, one thread of one process serves all devices in turn."""

    name: str
    description: str
    process_per_device: bool = False
    thread_per_device: bool = False

    def ranks(self, devices: int) -> int:
        """Rank processes of a session that drives so many devices: its world size."""
        return devices if self.process_per_device else 1

    def devices_per_rank(self, devices: int) -> int:
        """Devices that each rank process drives."""
        return devices // self.ranks(devices)

    def issuing_threads(self, devices: int) -> int:
        """Threads of all ranks that issue at the same time."""
        return devices if self.process_per_device or self.thread_per_device else 1


CONTROLLERS = {
    controller.name: controller
    for controller in (
        Controller("processes", "torchrun: one process per device", process_per_device=True),
        Controller("threads", "one process, one thread per device", thread_per_device=True),
        Controller("loop", "one process, one thread, devices in turn"),
    )
}


def issuing_threads(name: str, devices: int) -> int:
    """As Controller.issuing_threads, of a controller by name. What another version has named has one a device."""
    controller = CONTROLLERS.get(name)
    return controller.issuing_threads(devices) if controller else devices
