"""What eager gives for a workload, and how far a mode's outcome is from it.

In: a workload. Out: differences. Must not know ranks, rounds or records.
"""

from __future__ import annotations

import torch

from harness.core.schema import REFERENCE_MODE
from harness.devices.operations import operations_in
from harness.modes import Mode, get_mode
from harness.workloads.comparison import difference
from harness.workloads.workload import DRAWN, Step, Workload


class Outcomes:
    """Eager's outcomes of one workload. All of its calls are made within the workload's context.

    What draws random numbers (dropout) is compared under the same seed. Two things differ where nothing is wrong: a
    mode that draws by a generator of its own, as compilers do; and rounding of which a model makes much (an activation
    that is cut off at 0 falls to the other side). So what differs is compared again, where neither shows.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._plain = self._of(DRAWN)
        self._operations = 0

    def gap(self, step: Step) -> float:
        """Of a mode's outcome after its first call, as workloads.comparison has it."""
        return difference(step.outcome(), self._plain)

    def draws(self) -> bool:
        """Whether outcomes differ with the seed."""
        return difference(self._of(DRAWN + 1), self._plain) > 0

    def exact_gap(self, mode: Mode, *, settled: bool) -> float:
        """Of a mode built anew, in float64. settled: with all that draws switched off, in it and in eager."""
        exact = self._workload.in_float64()
        ours, theirs = (
            exact.built(each, settled=settled).outcome() for each in (mode, get_mode(REFERENCE_MODE))
        )
        return difference(ours, theirs)

    def operations(self) -> int:
        """How many eager's step asks of torch."""
        self._operations = self._operations or operations_in(
            self._workload.built(get_mode(REFERENCE_MODE)).call
        )
        return self._operations

    def _of(self, seed: int) -> list[torch.Tensor]:
        with self._workload.drawing(seed):
            return self._workload.built(get_mode(REFERENCE_MODE)).outcome()
