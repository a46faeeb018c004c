"""What a rank measures with, the same for all its cells.

In: ranks, issuers, where records and signs of life go, and options of the session. Out: a Bench.
Must not know cells, nor how they are measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.devices.device import Device
from harness.plan.config import TimingConfig
from harness.records.lines import Writer
from harness.session.progress import Sender
from harness.timing.clock import CLOCK_SHARE
from harness.worker.drivers import Drivers
from harness.worker.issuers import Issuers
from harness.worker.ranks import Ranks
from harness.worker.reference import Reference
from harness.workloads.cpu_check import Rehearsal

# How many times as long a block is on asynchronous devices.
ASYNCHRONOUS_TIMES = 2


@dataclass
class Bench:
    """What a cell is measured with. session: what tells it from all others, by which orders and places differ.
    nulls: ids of cells that hold a null. clock_cost_ns: of the slowest rank: all must aim at the same block length, or
    one of them waits for a block that the others do not run. memory: whether the memory of each mode's step is looked
    at. serialise: whether drivers save and load each mode. drivers: by which the modes of every environment are
    measured; None where it is this rank that measures. window_s: for how long each point is held in a steady state for
    samplers, after its last rounds; 0: not at all. block_steps: key -> steps of a block, as earlier builds have found
    them. busy_ns: time that first calls, warm-up and timed blocks took so far, each of its slowest rank: what is left
    of the session is our own overhead."""

    ranks: Ranks
    issuers: Issuers
    writer: Writer
    sender: Sender
    timing: TimingConfig
    seed: int
    usage: bool
    clock_cost_ns: float
    window_s: float = 0.0
    session: str = ""
    nulls: frozenset[str] = frozenset()
    memory: bool = False
    serialise: bool = False
    drivers: Drivers | None = None
    block_steps: dict[str, int] = field(default_factory=dict)
    busy_ns: int = 0
    rehearsal: Rehearsal = field(init=False)
    reference: Reference = field(init=False)

    def __post_init__(self) -> None:
        self.rehearsal, self.reference = Rehearsal(self.seed), Reference(self.ranks)

    @property
    def device(self) -> Device:
        """The first of this rank's devices, which are all alike."""
        return self.issuers.devices[0]

    @property
    def block_ns(self) -> float:
        """Wall time to aim at for a block: as configured, but long enough for the clock not to matter.

        Where the device lags behind, a block ends with a wait of some 10 us for what is still queued: longer blocks.
        """
        times = ASYNCHRONOUS_TIMES if self.device.asynchronous else 1
        return max(times * self.timing.block_ms * 1e6, self.clock_cost_ns / CLOCK_SHARE)
