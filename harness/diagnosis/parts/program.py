"""A step's calls of torch functions as straight-line code: no module, no frame of the user's, one line a call.

In: a Recording. Out: a Program. Must not know timing, devices or ranks.

A tensor that a call answered is a local name, freed after its last use. Whatever else a call was given is a constant of
the program: parameters, inputs, and all that the step computes in Python, such as sizes and indices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from harness.diagnosis.parts.functions import BACKWARD, FunctionCall, Recording

# Values of these types are the same whenever they are equal: no later call needs the very one that a call answered.
_PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.Size,
    torch.dtype,
    torch.device,
    torch.layout,
)


@dataclass(frozen=True)
class Program:
    """run: makes all calls in order, and answers what the step does. glue: the same lines with no call in them.
    constants: tensors that are not made in it."""

    run: Callable[[], Any]
    glue: Callable[[], Any]
    constants: tuple[torch.Tensor, ...]
    source: str


def write_program(recording: Recording) -> Program:
    """All calls of the step, but for those that only ask."""
    return _written(recording, [call for call in recording.calls if not call.asks])


def write_asking_program(recording: Recording) -> Program:
    """All calls of the step, those too that only ask."""
    return _written(recording, recording.calls)


def write_light_program(recording: Recording) -> Program:
    """The step's calls with nothing of autograd: to be run without gradients. Neither backward nor what turns recording
    on and off is in it, and gradients stay as they are."""
    light = [
        call
        for call in recording.calls
        if not call.asks
        and call.name not in BACKWARD
        and call.name not in ("_set_grad_enabled", "set_grad_enabled", "__set__", "requires_grad_")
    ]
    return _written(recording, light)


class _Writer:
    """names: of each object that a line made, by its id, the expression that has it."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.constants: dict[int, tuple[str, Any]] = {}
        self.lines: list[str] = []
        self.hollow: list[str] = []

    def constant(self, value: Any) -> str:
        found = self.constants.get(id(value))
        if found is None:
            found = (f"c{len(self.constants)}", value)
            self.constants[id(value)] = found
        return found[0]

    def made(self, value: Any) -> bool:
        """Whether something of a value was made by a line."""
        if id(value) in self.names:
            return True
        if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            return any(map(self.made, value))
        if isinstance(value, dict):
            return any(map(self.made, value.values()))
        if isinstance(value, slice):
            return any(map(self.made, (value.start, value.stop, value.step)))
        return False

    def expression(self, value: Any) -> str:
        if (name := self.names.get(id(value))) is not None:
            return name
        if not self.made(value):
            return self.constant(value)
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self.expression(each)}" for key, each in value.items()) + "}"
        if isinstance(value, slice):
            parts = (self.expression(each) for each in (value.start, value.stop, value.step))
            return f"slice({', '.join(parts)})"
        inside = ", ".join(map(self.expression, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside},)"

    def call(self, number: int, call: FunctionCall) -> None:
        given = [self.expression(each) for each in call.given]
        named = [(key, self.expression(each)) for key, each in call.named.items()]
        function, name = self.constant(call.function), f"v{number}"
        words = [*given, *(f"{key}={each}" for key, each in named)]
        loaded = ", ".join([function, *given, *(each for _, each in named)])
        self.lines.append(f"{name} = {function}({', '.join(words)})")
        self.hollow.append(f"({loaded},); {name} = {self.constant(_hollow(call.result))}")
        self._name(name, call.result)

    def _name(self, expression: str, value: Any) -> None:
        if isinstance(value, _PLAIN):
            return
        self.names[id(value)] = expression
        if isinstance(value, (list, tuple)):
            for place, each in enumerate(value):
                self._name(f"{expression}[{place}]", each)


def _written(recording: Recording, calls: Iterable[FunctionCall]) -> Program:
    writer = _Writer()
    for number, call in enumerate(calls):
        writer.call(number, call)
    answer = writer.expression(recording.output)
    ends = _last_uses(writer.lines, answer)
    run = _compiled("run", _freeing(writer.lines, ends), answer, writer)
    glue = _compiled("glue", _freeing(writer.hollow, ends), answer, writer)
    tensors = tuple(value for _, value in writer.constants.values() if isinstance(value, torch.Tensor))
    if recording.inference:
        run = _in_inference(run)
    return Program(run, glue, tensors, "\n".join(writer.lines))


def _last_uses(lines: list[str], answer: str) -> dict[int, list[str]]:
    """Of each line the names that no later one has."""
    last: dict[str, int] = {}
    for number, line in enumerate(lines):
        for name in re.findall(r"\bv\d+\b", line):
            last[name] = number
    kept = set(re.findall(r"\bv\d+\b", answer))
    ends: dict[int, list[str]] = {}
    for name, number in last.items():
        if name not in kept:
            ends.setdefault(number, []).append(name)
    return ends


def _freeing(lines: list[str], ends: dict[int, list[str]]) -> list[str]:
    return [
        f"{line}; del {', '.join(ends[number])}" if number in ends else line
        for number, line in enumerate(lines)
    ]


def _compiled(name: str, lines: list[str], answer: str, writer: _Writer) -> Callable[[], Any]:
    # Constants are defaults of arguments, and so local names.
    own = dict(writer.constants.values())
    arguments = ", ".join(f"{each}={each}" for each in own)
    body = "\n    ".join([*lines, f"return {answer}"])
    space: dict[str, Any] = dict(own)
    exec(compile(f"def {name}({arguments}):\n    {body}\n", f"<{name} of a step>", "exec"), space)
    function: Callable[[], Any] = space[name]
    return function


def _in_inference(run: Callable[[], Any]) -> Callable[[], Any]:
    def within() -> Any:
        with torch.inference_mode():
            return run()

    return within


def _hollow(value: Any) -> Any:
    """What can be indexed as the value can, and holds nothing of it."""
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return tuple(map(_hollow, value))
    return None
