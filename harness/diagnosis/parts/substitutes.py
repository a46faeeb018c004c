"""A step, and what stands in for it with a part taken away: what is timed for the ladder.

In: a step and its device. Out: of each substitute a Measure, and why others are not there. Must not know ranks, points
or records.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from harness.core.collector import no_collections
from harness.devices.device import Device
from harness.diagnosis.parts.agreement import agree, kept_values
from harness.diagnosis.parts.empty_kernels import Answers, why_not
from harness.diagnosis.parts.functions import (
    CannotRecord,
    Recording,
    answered,
    called_directly,
    modules_called,
    record_functions,
)
from harness.diagnosis.parts.program import Program, write_asking_program, write_light_program, write_program
from harness.timing.clock import CLOCK
from harness.timing.interleaved import Blocks, Measure

Context = Callable[[], AbstractContextManager[Any]]

# Calls before anything is recorded: the first ones build what later ones use, as an optimizer its state.
WARM_UP = 3
# Launches that an operator is at most, for the number of steps that fit the launch queue.
LAUNCHES = 2
# Shorter than blocks elsewhere: a dozen measures are differences, and one that another process cuts in two spoils them.
BLOCK_NS = 1e6
# Bursts of one value, at most: each waits for the device, which may take much longer than the host.
MOST_BURSTS = 16


@dataclass
class Substitutes:
    """measures: what there is to time, by name. left_out: of each part that cannot be measured, why.

    records: whether the step records for backward. trains: whether it goes backward itself."""

    measures: dict[str, Measure] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    modules: int = 0
    functions: int = 0
    operators: int = 0
    records: bool = False
    trains: bool = False
    close: list[Callable[[], None]] = field(default_factory=list)


def substitutes(
    call: Callable[[], Any], *, model: torch.nn.Module | None, device: Device, context: Context
) -> Substitutes:
    """Prepare all of them, and compare their outputs with the step's. Raises what the step itself raises.

    The step is called some times, within the context; what it changes with every call (parameters, when it trains)
    is changed by its substitutes too, but for the operators that are answered from a record.
    """
    made = Substitutes()
    with context():
        for _ in range(WARM_UP):
            call()
        made.modules = modules_called(call)
    recording = _recorded(call, context, made)
    program = _program(call, recording, device, context, made) if recording else None
    answers = _answers(program, context, made)
    timed = _Timed(device, context, _steps(device, answers or recording, made))
    made.measures["whole"] = timed.issue(call)
    _direct(call, model, device, timed, made)
    if program and recording:
        made.measures["program"] = timed.issue(program.run)
        made.measures["glue"] = timed.blocks(program.glue)
        _interpreter(call, recording, timed, made)
        if answers:
            _without_kernels(program, answers, timed, made)
        if recording.grad or recording.backward:
            _light(recording, answers, timed, made)
        else:
            made.left_out["autograd"] = "the step records nothing for backward"
    return made


@contextlib.contextmanager
def closing(made: Substitutes) -> Iterator[Substitutes]:
    """In the end the records are let go of."""
    try:
        yield made
    finally:
        for close in made.close:
            close()


@dataclass(frozen=True)
class _Timed:
    """How calls are timed on a device. steps: so many fit its launch queue; None where it executes at once."""

    device: Device
    context: Context
    steps: int | None

    def blocks(
        self,
        call: Callable[[], Any],
        within: Context = nullcontext,
        repeat: Callable[[int], Any] | None = None,
    ) -> Measure:
        """Of what issues nothing to the device."""
        return Blocks(call, context=self._both(within), repeat=repeat, block_ns=BLOCK_NS)

    def issue(
        self,
        call: Callable[[], Any],
        within: Context = nullcontext,
        repeat: Callable[[int], Any] | None = None,
    ) -> Measure:
        """Of what does: the host's time to issue it."""
        if self.steps is None:
            return self.blocks(call, within, repeat)
        return _Issue(repeat or _repeated(call), self.device.wait, self._both(within), self.steps)

    def taken(self, repeat: Callable[[int], Any], answers: Answers, within: Context = nullcontext) -> _Taken:
        return _Taken(repeat, answers, self.device.wait, self._both(within), self.steps or 1)

    def _both(self, within: Context) -> Context:
        @contextlib.contextmanager
        def entered() -> Iterator[None]:
            with self.context(), within():
                yield

        return entered


@dataclass(frozen=True)
class _Issue:
    """A Measure: the mean time of issuing a step, over bursts that fit the launch queue, with a wait after each."""

    run: Callable[[int], Any]
    wait: Callable[[], None]
    context: Context
    steps: int

    def __call__(self) -> float:
        taken, bursts = 0, 0
        with no_collections(), self.context():
            while bursts < MOST_BURSTS and taken < BLOCK_NS:
                self.run(1)
                self.wait()
                start = CLOCK()
                self.run(self.steps)
                taken += CLOCK() - start
                self.wait()
                bursts += 1
        return taken / (bursts * self.steps)


@dataclass(frozen=True)
class _Taken:
    """A Measure: how long a step is within kernels, by a clock around each, over bursts that fit the launch queue."""

    run: Callable[[int], Any]
    answers: Answers
    wait: Callable[[], None]
    context: Context
    steps: int

    def __call__(self) -> float:
        taken, bursts = 0, 0
        with no_collections(), self.context():
            self.run(1)  # a step like the others comes before them
            start = CLOCK()
            while not bursts or (bursts < MOST_BURSTS and CLOCK() - start < BLOCK_NS):
                self.wait()
                self.answers.taken_ns()
                self.run(self.steps)
                taken += self.answers.taken_ns()
                bursts += 1
            self.wait()
        return taken / (bursts * self.steps)


def _repeated(call: Callable[[], Any]) -> Callable[[int], None]:
    def repeat(steps: int) -> None:
        for _ in range(steps):
            call()

    return repeat


def _steps(device: Device, counted: Answers | Recording | None, made: Substitutes) -> int | None:
    if not device.asynchronous:
        return None
    calls = counted.functions if isinstance(counted, Recording) else counted.kernels if counted else 1
    steps = device.burst_steps(max(LAUNCHES * calls, 1))
    if steps is None:
        made.left_out["queue"] = (
            "a single step overfills the launch queue: the host may have waited for the device"
        )
    return steps or 1


def _recorded(call: Callable[[], Any], context: Context, made: Substitutes) -> Recording | None:
    try:
        with context():
            recording = record_functions(call)
    except (RuntimeError, TypeError, CannotRecord) as error:
        _leave_out(made, f"its calls cannot be recorded: {_line(error)}", "frames", *_BELOW)
        return None
    made.functions = recording.functions
    made.records, made.trains = recording.grad, recording.backward
    return recording


_BELOW = ("dispatcher", "autograd", "allocator", "kernels")


def _leave_out(made: Substitutes, why: str, *parts: str) -> None:
    for part in parts:
        made.left_out.setdefault(part, why)


def _program(
    call: Callable[[], Any], recording: Recording, device: Device, context: Context, made: Substitutes
) -> Program | None:
    why = None
    try:
        program = write_program(recording)
        with context():
            with kept_values(program.constants, device):
                expected = call()
            with kept_values(program.constants, device):
                found = program.run()
            if not agree(expected, found, values=device.computes):
                why = "the straight line of its calls answers something else than the step"
            program.glue()
    except Exception as error:  # what is generated may fail as anything
        why = f"the straight line of its calls fails: {_line(error)}"
    if why:
        _leave_out(made, why, "frames", *_BELOW)
        return None
    return program


def _answers(program: Program | None, context: Context, made: Substitutes) -> Answers | None:
    if program is None:
        return None
    if why := why_not():
        _leave_out(made, why, "dispatcher", "allocator", "kernels")
        return None
    try:
        with context():
            answers = Answers(program.run)
            made.close.append(answers.close)
            _try(program.run, answers)
            answers.run_kernels(1)
    except RuntimeError as error:
        _leave_out(
            made, f"its operators cannot be answered: {_line(error)}", "dispatcher", "allocator", "kernels"
        )
        return None
    made.operators = answers.operators
    return answers


def _try(run: Callable[[], Any], answers: Answers) -> None:
    """Two steps, so that one that follows another is like the first. Raises RuntimeError where one is not."""
    with answers.instead():
        run()
        run()
        if answers.place:
            raise RuntimeError("a step ends before its record does")


def _direct(
    call: Callable[[], Any],
    model: torch.nn.Module | None,
    device: Device,
    timed: _Timed,
    made: Substitutes,
) -> None:
    if model is None:
        made.left_out["modules"] = (
            "no model was given, so that what its modules' calls cost is counted as frames"
        )
        return
    with timed.context(), called_directly(model):
        still = modules_called(call)
        try:
            call()
        except Exception as error:  # a forward that is called by other means may fail as anything
            made.left_out["modules"] = f"modules cannot be called directly: {_line(error)}"
            return
    if still:
        made.left_out["modules that keep their call"] = f"{still} of {made.modules}"
    made.measures["direct"] = timed.issue(call, lambda: called_directly(model))


def _interpreter(call: Callable[[], Any], recording: Recording, timed: _Timed, made: Substitutes) -> None:
    """The step with every function answered, and the same calls in a straight line: what the mode costs is in both."""
    asking = write_asking_program(recording)

    @contextlib.contextmanager
    def within() -> Iterator[None]:
        with answered(recording):
            yield

    try:
        with timed.context(), answered(recording) as place:
            for run in (call, asking.run):
                run()
                if place():
                    raise RuntimeError("a step calls other functions than were recorded")
    except Exception as error:  # Python code that is given another step's answers may fail as anything
        made.left_out["interpreter alone"] = _line(error)
        return
    made.measures["answered"] = timed.blocks(call, within)
    made.measures["answered program"] = timed.blocks(asking.run, within)


def _without_kernels(program: Program, answers: Answers, timed: _Timed, made: Substitutes) -> None:
    made.measures["no kernels"] = timed.blocks(program.run, answers.instead)
    made.measures["answers"] = timed.blocks(_nothing, repeat=answers.run_answers)
    made.measures["kernels"] = timed.issue(_nothing, repeat=answers.run_kernels)
    made.measures["arguments"] = timed.blocks(_nothing, repeat=answers.run_arguments)
    made.measures["allocations"] = timed.blocks(_nothing, repeat=answers.run_allocations)
    made.measures["kernels in place"] = timed.taken(_repeated(program.run), answers, answers.in_place)
    made.measures["kernels by themselves"] = timed.taken(answers.run_timed, answers)


def _light(recording: Recording, answers: Answers | None, timed: _Timed, made: Substitutes) -> None:
    """The program with nothing recorded, and without backward."""
    light = write_light_program(recording)
    if answers is None:
        if made.trains:
            made.left_out["autograd"] = "only its kernels would tell backward from what it calls"
        else:
            made.measures["no autograd"] = timed.issue(light.run, torch.no_grad)
        return
    try:
        with timed.context(), torch.no_grad():
            few = Answers(light.run)
            made.close.append(few.close)
            _try(light.run, few)
    except Exception as error:  # a step without its backward may fail as anything
        made.left_out["autograd"] = f"counted with the dispatcher: without it the step fails: {_line(error)}"
        return

    @contextlib.contextmanager
    def within() -> Iterator[None]:
        with torch.no_grad(), few.instead():
            yield

    made.measures["no autograd"] = timed.blocks(light.run, within)
    made.measures["answers without autograd"] = timed.blocks(_nothing, repeat=few.run_answers)


def _nothing() -> None:
    pass


def _line(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0] if said else ''}"
