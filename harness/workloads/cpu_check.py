"""The output check of a mode for devices that compute nothing: on the CPU, before the point is timed.

In: a point. Out: how far the mode's output is from eager's. Must not know ranks, rounds or records.
"""

from __future__ import annotations

from dataclasses import replace

from harness.core.schema import REFERENCE_MODE
from harness.devices.device import Device
from harness.modes import Mode, get_mode
from harness.plan.points import Point
from harness.workloads.comparison import TOLERANCE, accepted, accepted_exactly, may_be_rounding
from harness.workloads.outcomes import Outcomes
from harness.workloads.workload import Forward, TrainAlone, Workload

# A mode that is right for some samples is right for more of them: what it does with the batch is the same
# sequence of operations. So few keep the check of a model of 10^9 parameters within seconds.
SAMPLES = 4
# Who issues makes no difference to what is computed.
ALONE = "processes"


class Rehearsal:
    """Runs modes on a CPU copy of the model; what a model was found to give is kept for the next batch size."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._gaps: dict[Point, float] = {}
        self._last: tuple[Point, Workload, Outcomes] | None = None

    def compared(self, point: Point) -> float:
        """Largest difference of the mode's output from eager's, as workloads.comparison has it.

        Raises Mismatch where the mode computes something else, and whatever the mode raises.
        """
        mode = get_mode(point.mode).rehearsed_as or point.mode
        batch = min(point.rank_batch, SAMPLES)
        small = replace(point, mode=mode, batch=batch, devices=1, controller=ALONE, scaling="weak")
        if small not in self._gaps:
            workload, outcomes = self._reference(replace(small, mode=REFERENCE_MODE))
            with workload.context():
                self._gaps[small] = _gap(workload, outcomes, get_mode(small.mode), point.dtype)
        return self._gaps[small]

    def forget(self) -> None:
        """Give the memory of the last model back; what was found stays known."""
        self._last = None

    def _reference(self, point: Point) -> tuple[Workload, Outcomes]:
        if self._last is None or self._last[0] != point:
            self._last = None
            kind = Forward if point.workload == "forward" else TrainAlone
            workload = kind(point, Device(), 0, self.seed)
            with workload.context():
                self._last = point, workload, Outcomes(workload)
        return self._last[1], self._last[2]


def _gap(workload: Workload, outcomes: Outcomes, mode: Mode, dtype: str) -> float:
    gap = outcomes.gap(workload.built(mode))
    if gap <= TOLERANCE[dtype]:
        return gap
    if (draws := outcomes.draws()) or may_be_rounding(gap, dtype):
        return accepted_exactly(gap, outcomes.exact_gap(mode, settled=draws))
    return accepted(gap, dtype)
