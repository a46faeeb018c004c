"""From a Subject to what was measured of its step: the whole, the host's part, the ladder, what else the host does.

In: a Subject and this machine's passport. Out: a Measurement. Must not know what is concluded from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from harness.core.stats.intervals import Interval, median_interval
from harness.diagnosis.asked import Work
from harness.diagnosis.host.found import Look
from harness.diagnosis.host.look import look
from harness.diagnosis.measurement import Measurement
from harness.diagnosis.parts.ladder import climb, one_layer
from harness.diagnosis.queued import launches_of, queued
from harness.diagnosis.subject import Subject
from harness.diagnosis.work import work_of
from harness.passport.loops import looped
from harness.timing.interleaved import Blocks, Measure, rounds

# Steps before anything is measured, as long as they take no more than this.
WARM_UP_STEPS, WARM_UP_S = 10, 3.0
# How the time is spent.
FOR_WHOLE, FOR_LOOK, FOR_LADDER, FOR_LAYER, FOR_WORK = 0.2, 0.15, 0.45, 0.12, 0.08


@dataclass(frozen=True)
class _Times:
    whole: Interval
    issue: Interval | None
    device: Interval | None
    pace: float


def measure(subject: Subject, operator_ns: float | None, *, seconds: float) -> Measurement:
    """operator_ns: what the passport says that a small operator takes, by which this process's pace is known. Raises
    whatever the step raises."""
    call, device, context = subject.call, subject.device, subject.context
    with device.active():
        _warm_up(subject)
        seen = look(
            _within(call, context, device.wait),
            seconds=FOR_LOOK * seconds,
            device_kind=device.torch_device.type,
            torch_device=device.torch_device,
        )
        work = work_of(call, context, seconds=FOR_WORK * seconds, computes=not device.asynchronous)
        launches = launches_of(call, device, context) if device.asynchronous and not seen.waits else None
        times = _timed(subject, operator_ns, work, launches, seen, FOR_WHOLE * seconds)
        notes: list[str] = []
        ladder = _climbed(
            lambda: climb(
                call, model=subject.model, device=device, context=context, seconds=FOR_LADDER * seconds
            ),
            notes,
        )
        layer = None
        if (model := subject.model) is not None:
            layer = _climbed(
                lambda: one_layer(
                    call, model=model, device=device, context=context, seconds=FOR_LAYER * seconds
                ),
                notes,
            )
    return Measurement(
        whole=times.whole,
        issue=times.issue,
        device=times.device,
        launches=launches,
        ladder=ladder,
        layer=layer,
        look=seen,
        work=work,
        pace=times.pace,
        synchronous=not device.asynchronous,
        notes=tuple(notes),
    )


def _warm_up(subject: Subject) -> None:
    began = time.monotonic()
    for _ in range(WARM_UP_STEPS):
        with subject.context():
            subject.call()
        subject.device.wait()
        if time.monotonic() - began > WARM_UP_S:
            return


def _timed(
    subject: Subject, operator_ns: float | None, work: Work, launches: int | None, seen: Look, seconds: float
) -> _Times:
    call, device, context = subject.call, subject.device, subject.context
    measures: dict[str, Measure] = {"whole": Blocks(call, device.wait, context=context), "pace": _yardstick()}
    bursts = None
    if device.asynchronous and not seen.waits:
        bursts = queued(call, device, context, launches, work.operators)
    if bursts is not None:
        measures["issue"] = bursts
    values = rounds(measures, seconds=seconds)
    whole = median_interval(values["whole"]).times(1e-3)
    pace = median_interval(values["pace"]).estimate / operator_ns if operator_ns else 1.0
    issue = in_device = None
    if bursts is not None and bursts.device_ns:
        issue = median_interval(values["issue"]).times(1e-3)
        in_device = median_interval(bursts.device_ns).times(1e-3)
    return _Times(whole, issue, in_device, pace)


def _yardstick() -> Measure:
    """A small operator, as the passport has it."""
    numbers = torch.ones(8, 8)
    repeat = looped(torch.neg, numbers)
    return Blocks(lambda: torch.neg(numbers), context=torch.inference_mode, repeat=repeat)


def _climbed(climbing: Callable[[], Any], notes: list[str]) -> Any:
    """None with a note where the step cannot be taken apart: what stands there is somebody's own program."""
    try:
        return climbing()
    except Exception as error:
        notes.append(" ".join(f"{type(error).__name__}: {error}".split())[:200])
        return None


def _within(
    call: Callable[[], Any],
    context: Callable[[], AbstractContextManager[Any]],
    wait: Callable[[], Any],
) -> Callable[[], None]:
    def step() -> None:
        with context():
            call()
        wait()

    return step
