"""What was predicted, measured afterwards.

In: a Subject and its Predictions. Out: what each came to, or why it could not be measured. Must not know how
predictions are made.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.stats.intervals import Interval, median_interval
from harness.diagnosis.subject import Subject
from harness.diagnosis.what_if import Prediction
from harness.modes import get_mode
from harness.modes.proof import Unproven
from harness.timing.interleaved import Blocks, rounds
from harness.workloads.comparison import TOLERANCE, Mismatch, difference
from harness.workloads.workload import Step, Workload

REFERENCE = "eager"
# What a mode may raise while it is built or called: whatever it meets in a model that it cannot take.
REFUSED = (Exception,)


@dataclass(frozen=True)
class Verified:
    """us: measured, as the ratio to eager in the same rounds times what eager took when the prediction was made; None
    with the reason where it could not be."""

    change: str
    us: Interval | None
    why: str = ""

    def error(self, predicted: Prediction) -> float | None:
        """predicted / measured - 1."""
        return None if self.us is None else predicted.us.estimate / self.us.estimate - 1

    def held(self, predicted: Prediction) -> bool | None:
        """Whether what was measured lies in the prediction's interval."""
        return None if self.us is None else predicted.us.low <= self.us.estimate <= predicted.us.high


def verify(
    subject: Subject, predicted: Sequence[Prediction], eager_us: float, *, seconds: float
) -> list[Verified]:
    """Builds each in turn beside eager, and times both in the same rounds; of predictions without a mode, nothing."""
    found = []
    wanted = [each for each in predicted if each.mode]
    for each in wanted:
        try:
            built = _built(subject, each)
        except REFUSED as error:
            why = " ".join(str(error).split())[:300]
            found.append(Verified(each.change, None, f"{type(error).__name__}: {why}"))
            continue
        found.append(Verified(each.change, _measured(subject, built, eager_us, seconds / len(wanted))))
    return found


def _built(subject: Subject, predicted: Prediction) -> Step:
    """Raises what the mode raises, Unproven where it is not what it says, Mismatch where it computes something else."""
    workload: Workload | None = subject.workload
    if predicted.mode == REFERENCE:
        if subject.doubled is None:
            raise ValueError("its inputs cannot be doubled")
        return subject.doubled().built(get_mode(REFERENCE))
    if workload is None:
        raise ValueError("of a bare step no other mode can be built")
    mode = get_mode(predicted.mode)
    kind = "train" if subject.train else "forward"
    dtype = workload.dtype
    if why := mode.unsupported(workload=kind, dtype=dtype, device_kind=subject.device.kind):
        raise Unproven(why)
    if why := mode.unsupported_autograd(workload.autograd):
        raise Unproven(why)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mode.make_ready()
        step = subject.in_mode(predicted.mode)
    if why := mode.proof(step.built):
        raise Unproven(why)
    if subject.device.computes:
        reference = subject.in_mode(REFERENCE)
        with workload.context():
            gap = difference(step.outcome(), reference.outcome())
        if not gap <= TOLERANCE[dtype]:
            raise Mismatch(f"its output differs from eager's by {gap:.2g} of its largest value")
    return step


def _measured(subject: Subject, built: Step, eager_us: float, seconds: float) -> Interval:
    eager = subject.in_mode(REFERENCE)
    wait, context = subject.device.wait, subject.context
    values = rounds(
        {
            "changed": Blocks(built.call, wait, context=context, repeat=built.repeat),
            "eager": Blocks(eager.call, wait, context=context),
        },
        seconds=seconds,
    )
    ratios = [ours / theirs for ours, theirs in zip(values["changed"], values["eager"], strict=True)]
    return median_interval(ratios).times(eager_us)
