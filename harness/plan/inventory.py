"""What the machine has, as far as a plan depends on it.

In: nothing. Out: an Inventory. Must not know how it was found out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Inventory:
    """What the machine has. kind: cpu, cuda or emulated; count: devices present (on CPU: cores);
    cores: that this process may use; explicit: whether the user asked for this kind by name.

    hidden: by which variable devices are kept from being seen, in words; empty where none is.
    allocated: whether it is what a SLURM job was given: `nodes` nodes, with count and cores on each, and no more.
    """

    kind: str
    count: int
    name: str
    cores: int
    explicit: bool = False
    allocated: bool = False
    nodes: int = 1
    hidden: str = ""

    @property
    def aside(self) -> str:
        """What hides devices, in brackets behind how many there are."""
        return f" ({self.hidden})" if self.hidden else ""

    def nodes_for(self, devices: int) -> int:
        """Nodes that so many devices are spread over: as few as have them."""
        return math.ceil(devices / self.count) if self.allocated else 1
