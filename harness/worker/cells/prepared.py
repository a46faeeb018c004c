"""A mode of a cell that is ready to be measured, and one measurement of it.

In: a mode's steps on this rank's devices. Out: a block, and a burst. Must not know rounds, ranks or how it was built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.plan.points import Point
from harness.plan.repeats import LEAD_NS
from harness.records.naming import null_key
from harness.timing.blocks import Block
from harness.timing.bursts import LEAST_HOLD_NS, Burst, longer_hold
from harness.worker.issuers import BlockTimer, Issuers
from harness.workloads.workload import Step

# What stands for a point's name where there is a second build of the reference mode.
NULL = "null"


@dataclass
class Prepared:
    """A mode that is in the race for as long as it does not fail.

    null: whether it is the second build of the reference mode, whose blocks are kept apart from the first one's. own:
    its step on each device. timer: times a block of them. steps: of a block, on each device. block_ns: what one took
    of the slowest rank when it was warm. burst: steps of a burst that fits the launch queue; None where there is none.
    hold_ns: for how long the device is held while a burst is queued. led_in: whether a block of it ever was: the first
    time tells hold_ns as well.
    """

    point: Point
    own: list[Step]
    timer: BlockTimer
    null: bool = False
    steps: int = 1
    block_ns: float = 0.0
    burst: int | None = None
    hold_ns: float = LEAST_HOLD_NS
    led_in: bool = False

    @property
    def name(self) -> str:
        return NULL if self.null else self.point.name

    @property
    def key(self) -> str:
        """Under which its blocks are recorded."""
        return null_key(self.point.key) if self.null else self.point.key

    @property
    def step_ns(self) -> float:
        """One step when it was warm, of the slowest rank; 0 before."""
        return self.block_ns / self.steps

    @property
    def lead_steps(self) -> int:
        """Untimed steps before a block, of times that all ranks know: they make as many."""
        return math.ceil(LEAD_NS / self.step_ns) if self.step_ns else self.steps

    @property
    def lead_ns(self) -> float:
        """What those take."""
        return self.lead_steps * self.step_ns

    def close(self) -> None:
        """Give back what is not this process's."""

    def lead_in(self, issuers: Issuers) -> bool:
        """Some steps that are not timed, so that those of the block are met as in a loop that goes on. Answers True."""
        self.timer(self.lead_steps, False)
        if self.burst is not None and not self.led_in:
            # Which finds out for how long to hold: a cell may have time for one round alone.
            self.timed_burst(issuers, 0)
        self.led_in = True
        return True

    def timed_block(self, usage: bool) -> Block:
        """One block on all devices; usage: with the CPU time around it."""
        return self.timer(self.steps, usage)

    def timed_burst(self, issuers: Issuers, round_number: int) -> Burst:
        """Issue and device time of a step on one device, each in its turn, from a burst of them."""
        if self.burst is None:
            raise ValueError(
                f"{self.point.mode} has no burst: none fits, or its device executes synchronously"
            )
        index = round_number % len(self.own)
        burst = issuers.burst(index, self.own[index], self.burst, self.hold_ns)
        if burst.device_ns is None:  # the first time, when what to expect is not known yet, or disturbed
            self.hold_ns = longer_hold(self.hold_ns, self.burst, burst)
        return burst


def points_lost(mode: Prepared) -> tuple[Point, ...]:
    """Those whose rows say why, if it fails: none for the null, which is no point."""
    return () if mode.null else (mode.point,)


def block_fields(key: str, block: Block, burst: Burst | None) -> dict[str, Any]:
    """A block, and the burst that followed it, as they are recorded in a round."""
    fields: dict[str, Any] = {
        "key": key,
        "steps": block.steps,
        "start_ns": block.start_ns,
        "end_ns": block.end_ns,
    }
    if block.cpu_ns is not None:
        fields |= {
            "cpu_ns": block.cpu_ns,
            "main_ns": block.main_ns,
            "waits": block.waits,
            "preemptions": block.preemptions,
        }
    if block.fastest_ns is not None:
        fields["fastest_ns"] = block.fastest_ns
    if burst is not None:
        fields |= {"issue_ns": burst.issue_ns, "device_ns": burst.device_ns, "growth": burst.growth}
    return fields
