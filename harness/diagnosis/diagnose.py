"""The order of a diagnosis: measure, conclude, predict, write down, and only then verify.

In: a Subject. Out: a Diagnosis. Must not know the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from harness.diagnosis.measurement import Measurement
from harness.diagnosis.measuring import measure
from harness.diagnosis.shares import DATA, OWN, shares_of
from harness.diagnosis.shown.result import EMULATED, Diagnosis
from harness.diagnosis.subject import Subject, subject_of_model, subject_of_step
from harness.diagnosis.verdict import verdict_of
from harness.diagnosis.verify import verify
from harness.diagnosis.what_if import Facts, predictions
from harness.passport.document import Passport
from harness.passport.stored import own_passport
from harness.report.table.tidy import EMULATED_MARK

# Of the time that there is, what measuring takes where there is something to verify as well.
FOR_MEASURING = 0.5
# What starts, builds and compiles beside the time that is measured in.
LEAST_SECONDS = 6.0
# A machine that others use this much while its costs are measured gives costs of that hour.
BUSY = 0.1


def diagnose(
    step: Callable[..., Any] | nn.Module,
    inputs: Any = None,
    *,
    train: bool = False,
    loss: str = "",
    minutes: float = 1.0,
    verify: bool = False,
) -> Diagnosis:
    """Say what bounds a step, and predict what would remove it.

    step: a callable that makes one step, or a module with its inputs (a tensor, a tuple of positional arguments, or a
    dict of those by name), on the device they lie on. train: forward, backward and an optimizer's step instead of
    forward under inference_mode; loss: `package.module:name`. minutes: to measure for. verify: measure what was
    predicted too. The first call on a machine measures its passport as well, some 25 seconds.

    Raises TypeError for what is neither, ValueError for minutes that are none, and whatever the step raises.
    """
    if not minutes > 0:
        raise ValueError(f"minutes={minutes}: must be above 0")
    if isinstance(step, nn.Module):
        if inputs is None:
            raise TypeError("a module is diagnosed with its inputs: diagnose(model, inputs)")
        subject = subject_of_model(step, inputs, train=train, loss=loss)
    else:
        given = step if inputs is None else _with(step, inputs)
        subject = subject_of_step(given, getattr(step, "__qualname__", ""))
    return diagnosed(subject, own_passport(subject.device), minutes=minutes, verifying=verify)


def diagnosed(
    subject: Subject,
    passport: Passport,
    *,
    minutes: float,
    verifying: bool,
    write_down: Callable[[Diagnosis], Any] = lambda predicted: None,
) -> Diagnosis:
    """write_down: called with the predictions before anything of them is measured."""
    seconds = max(60 * minutes, LEAST_SECONDS)
    operator = passport.costs.get("operator")
    measured = measure(
        subject, operator.value if operator else None, seconds=seconds * (FOR_MEASURING if verifying else 0.9)
    )
    found = concluded(subject, passport, measured)
    write_down(found)
    if not verifying:
        return found
    left = seconds * (1 - FOR_MEASURING)
    return found.with_verified(verify(subject, found.predicted, measured.whole.estimate, seconds=left))


def concluded(subject: Subject, passport: Passport, measured: Measurement) -> Diagnosis:
    shares = shares_of(measured)
    facts = facts_of(subject, passport, measured)
    costs = {name: cost.value / 1e3 * measured.pace for name, cost in passport.costs.items()}
    predicted, refused = predictions(facts, costs, passport.missing)
    return Diagnosis(
        name=subject.name,
        machine=passport.machine,
        measured=measured,
        shares=shares,
        verdict=verdict_of(measured, shares, predicted if subject.workload is not None else []),
        predicted=predicted,
        refused=refused,
        warnings=tuple(_warnings(passport, measured)),
    )


def facts_of(subject: Subject, passport: Passport, measured: Measurement) -> Facts:
    """Where the step could not be taken apart, all of the host's time is of nothing that a mode would save."""
    ladder = measured.ladder
    parts = {part.name: max(part.us.estimate, 0.0) for part in ladder.parts} if ladder else {}
    shares = shares_of(measured).of
    whole = measured.whole
    outside = sum(shares[cause].estimate for cause in (DATA, OWN) if cause in shares) * whole.estimate
    synchronous = measured.synchronous
    issue = (
        whole.estimate if synchronous else (measured.issue or (ladder.whole if ladder else whole)).estimate
    )
    python = max(parts.get("modules", 0.0) + parts.get("frames", 0.0) - outside, 0.0)
    return Facts(
        whole=whole,
        issue=issue,
        device=0.0 if synchronous or measured.device is None else measured.device.estimate,
        python=python,
        dispatch=sum(parts.get(name, 0.0) for name in ("dispatcher", "autograd", "allocator")),
        kernels=parts.get("kernels" if synchronous else "launches", 0.0),
        outside=outside,
        functions=ladder.functions if ladder else 0,
        launches=measured.launches or 0,
        asked=measured.work,
        least_us=_least_work_us(passport, measured),
        synchronous=synchronous,
        # A bare step does not say that it trains; its ladder does.
        train=subject.train or "autograd" in parts,
    )


def _least_work_us(passport: Passport, measured: Measurement) -> float:
    """At the machine's peak rates; 0 where those are not known."""
    flop_rate, byte_rate = (passport.rates.get(name) for name in ("matmul_gflop_s", "memory_gb_s"))
    us = 0.0
    if flop_rate is not None:
        us += measured.work.flop / (flop_rate.value * 1e3)
    if byte_rate is not None:
        us += measured.work.bytes_moved / (byte_rate.value * 1e3)
    return us


def _warnings(passport: Passport, measured: Measurement) -> Iterator[str]:
    if passport.machine.get("device_kind") == EMULATED:
        yield f"{EMULATED_MARK}: the host's time is real, the device's is not (docs/emulator.md)."
    if passport.load is not None and passport.load > BUSY:
        yield (
            f"Other programs used {100 * passport.load:.0f} % of this machine while its costs were measured: "
            "predictions rest on them; `harness passport --again` measures anew."
        )
    if measured.ladder is not None and measured.ladder.left_out:
        left = "; ".join(f"{name}: {why}" for name, why in measured.ladder.left_out.items())
        yield f"Parts that were not measured: {left}"


def _with(step: Callable[..., Any], inputs: Any) -> Callable[[], Any]:
    from harness.modes.example import called
    from harness.workloads.source import example_of

    return called(step, example_of(inputs))
