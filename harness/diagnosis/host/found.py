"""What a look at the host finds.

In: nothing. Out: Spot, Wait and Look. Must not know how any of it is found.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spot:
    """A line of the user's, and the time that a step spends there or in what is called from there.

    share: of the step, from 0 to 1. us: microseconds a step.
    """

    file: str
    line: int
    function: str
    share: float
    us: float


@dataclass(frozen=True)
class Wait:
    """A line at which values go from a device to the host, so that the host waits for it.

    what: ".item()", "bool()", "nonzero()" ... times: a step. us: microseconds a step waited; 0 where the device is the
    CPU, which has always finished.
    """

    file: str
    line: int
    what: str
    times: float
    us: float


@dataclass(frozen=True)
class Look:
    """What of a step is not torch's work; each list with the largest first.

    step_us: microseconds of a step as it is, without the look. own: in the user's own Python and in libraries that are
    not torch. data: in asking for data, by the line that asks. dataset: the part of `data` that is spent in this
    process in the user's own dataset, by the line there: it is within `data`, and not to be added to it. waits: for the
    device. steps: how many the times are of.
    """

    step_us: float
    own: tuple[Spot, ...]
    data: tuple[Spot, ...]
    dataset: tuple[Spot, ...]
    waits: tuple[Wait, ...]
    steps: int

    @property
    def own_share(self) -> float:
        return min(sum(spot.share for spot in self.own), 1.0)

    @property
    def data_share(self) -> float:
        return min(sum(spot.share for spot in self.data), 1.0)

    @property
    def wait_share(self) -> float:
        return min(sum(wait.us for wait in self.waits) / self.step_us, 1.0) if self.step_us else 0.0

    @property
    def framework_share(self) -> float:
        """What is left: torch's work, and the bytecode that calls it."""
        return max(0.0, 1 - self.own_share - self.data_share - self.wait_share)
