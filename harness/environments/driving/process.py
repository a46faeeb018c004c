"""A driver: a process of another Python that holds prepared modes and times blocks of them when it is told to.

In: an Interpreter, Tasks. Out: outcomes, blocks, or DriverError. Must not know torch, points, cells or records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core import schema
from harness.core.files.places import PACKAGE
from harness.core.numbers import is_number
from harness.environments.driving.channel import Channel
from harness.environments.driving.numbers import numbers_file
from harness.environments.driving.task import DriverError, Task
from harness.environments.driving.variables import told, variables_of
from harness.environments.interpreter import Interpreter
from harness.timing.blocks import Block
from harness.timing.warm_up import WarmUp

_PROGRAM = PACKAGE / "environments" / "driving" / "driver.py"
_STATUSES = (schema.FAILED, schema.UNSUPPORTED, schema.OOM)


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Preparation:
    """A mode that was built and called once. outcome: a list a tensor, of more than 1024 numbers evenly spaced ones:
    the output; under train the loss, and the gradient of each parameter. peak_mib: resident, of the process so far."""

    outcome: tuple[list[float], ...]
    prepare_s: float
    first_call_s: float
    peak_mib: float


@dataclass(frozen=True)
class Serialisation:
    """A program with its weights, saved and loaded again. format: by what calls. bytes: of its files. save_s: until
    they are written. load_s: of reading them in the process that wrote them and making one step: what a first call
    compiles is in it, importing the framework is not. outcome: that step's, as Preparation has it."""

    format: str
    bytes: int
    save_s: float
    load_s: float
    outcome: tuple[list[float], ...]


class Driver:
    """Started at once, with its framework imported; asleep but while it is asked. It ends with this process.

    facts: what it said of itself: python, framework, build, threads, libraries, and the variables that tell.
    Every call raises DriverError. One that died or hung is ended, and every further call says what it died of.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        *,
        threads: int = 1,
        cores: Sequence[int] | None = None,
        timeout_s: float = 120,
        while_waiting: Callable[[], None] = _nothing,
    ) -> None:
        """cores: on which all of its threads run; None for those of this thread. timeout_s: of each answer.
        while_waiting: called once a second while an answer is waited for."""
        environment = interpreter.environment
        self.name = environment.name
        self.timeout_s = timeout_s
        variables = variables_of(environment, threads)
        self._channel = Channel([str(interpreter.python), str(_PROGRAM)], variables, cores, while_waiting)
        try:
            answer = self._ask("start", framework=environment.framework, threads=threads)
        except DriverError as error:
            self.close()
            if error.status == schema.UNSUPPORTED:
                raise
            raise DriverError(error.status, f"{environment.framework} does not start ({error})") from None
        except BaseException:
            self.close()
            raise
        facts = answer.get("facts")
        said = facts if isinstance(facts, dict) else {}
        self.facts: Mapping[str, str] = {
            **{str(name): str(value) for name, value in said.items()},
            "variables": told(variables),
        }

    @property
    def alive(self) -> bool:
        return self._channel.alive

    @property
    def resident_bytes(self) -> int:
        """What it holds of the memory just now; 0 where the system does not tell."""
        try:
            pages = Path(f"/proc/{self._channel.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def prepare(self, task: Task, slot: int = 0) -> tuple[list[float], ...]:
        """Build a mode, in place of what was prepared in that slot before, and call it once. Answers its output on the
        seeded input, flat, to be compared; Preparation says of what."""
        return self.prepared(task, slot).outcome

    def prepared(self, task: Task, slot: int = 0) -> Preparation:
        """The same, with how long it took."""
        try:
            numbers = str(numbers_file(task))
        except OSError as error:
            why = f"no room for the model's numbers: {error.strerror}"
            raise DriverError(schema.FAILED, why) from None
        plain = asdict(task)
        del plain["framework"], plain["seed"]
        answer = self._ask("prepare", slot=slot, task=plain, numbers=numbers)
        outcome = answer.get("outcome")
        took = [answer.get(name) for name in ("prepare_s", "first_call_s", "peak_kib")]
        if not _are_lists(outcome) or not all(is_number(each) for each in took):
            raise self._no_answer("prepare")
        assert isinstance(outcome, list)
        prepare_s, first_call_s, peak_kib = (float(each) for each in took if each is not None)
        return Preparation(tuple(outcome), prepare_s, first_call_s, peak_kib / 1024)

    def serialised(self, folder: str | Path, slot: int = 0) -> Serialisation:
        """Have what was prepared in that slot saved into a folder, which must be empty, and loaded again. Raises
        DriverError, unsupported where the mode makes nothing that can be saved."""
        answer = self._ask("serialise", slot=slot, folder=str(folder))
        outcome, size, form = answer.get("outcome"), answer.get("bytes"), answer.get("format")
        took = [answer.get(name) for name in ("save_s", "load_s")]
        if not _are_lists(outcome) or type(size) is not int or size < 0 or not isinstance(form, str):
            raise self._no_answer("serialise")
        if not all(is_number(each) and each >= 0 for each in took):
            raise self._no_answer("serialise")
        assert isinstance(outcome, list)
        save_s, load_s = (float(each) for each in took if each is not None)
        return Serialisation(form, size, save_s, load_s, tuple(outcome))

    def block(self, steps: int, lead: int, slot: int = 0) -> float:
        """Nanoseconds of so many steps, after `lead` untimed ones."""
        return float(self.timed(steps, lead, slot).wall_ns)

    def timed(self, steps: int, lead: int = 0, slot: int = 0) -> Block:
        """The same as a Block, with CPU time, on the clock that all processes of a machine share."""
        answer = self._ask("block", slot=slot, steps=steps, lead=lead)
        start, end, usage = answer.get("start_ns"), answer.get("end_ns"), answer.get("usage")
        if type(start) is not int or type(end) is not int or not 0 <= start < end:
            raise self._no_answer("block")
        if not isinstance(usage, list) or len(usage) != 4 or any(type(each) is not int for each in usage):
            raise self._no_answer("block")
        return Block(steps, start, end, *(max(0, each) for each in usage))

    def warm(self, block_ns: float, limit_s: float, slot: int = 0) -> int:
        """Steps of a block of that length, once the step time has settled or limit_s of blocks are over."""
        return self.warmed(block_ns, limit_s, slot).steps

    def warmed(self, block_ns: float, limit_s: float, slot: int = 0, known: int | None = None) -> WarmUp:
        """The same, with what the warm-up found. known: steps of a block, as an earlier build has found them."""
        warm_up = WarmUp(block_ns, limit_s * 1e9, known)
        steps: int | None = warm_up.steps
        while steps is not None:
            steps = warm_up.next_steps(self.block(steps, 0, slot))
        return warm_up

    def forget(self, slot: int) -> None:
        """Give back what was prepared there."""
        self._ask("forget", slot=slot)

    def close(self) -> None:
        """End it; nothing where it has ended."""
        self._channel.close()

    def _ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        answer = self._channel.ask({"do": what, **arguments}, self.timeout_s)
        status, error = answer.get("status"), answer.get("error")
        if error is not None:
            raise DriverError(status if status in _STATUSES else schema.FAILED, str(error)[:400])
        return answer

    def _no_answer(self, what: str) -> DriverError:
        self.close()
        return DriverError(schema.FAILED, f"it answered what is no answer to `{what}`")


def _are_lists(outcome: object) -> bool:
    """Lists of numbers; what is no number in either sense is for the comparison."""
    return isinstance(outcome, list) and all(
        isinstance(each, list) and all(isinstance(number, (int, float)) for number in each)
        for each in outcome
    )
