"""An environment's interpreter: found where it was made or is there already, and made where it is not.

In: an Environment. Out: an Interpreter that can be started, or NotReady in one line. Must not know what is started.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import HarnessError
from harness.environments import kept
from harness.environments.asked import DoesNotRun, Facts, ask_facts
from harness.environments.building import CannotBeMade, build
from harness.environments.document import HERE, NEWEST, OLDEST, VERSION, Environment
from harness.environments.pythons import LOOKED, find_python
from harness.environments.started import variables_of


@dataclass(frozen=True)
class Interpreter:
    """A Python that is there and can be started. python: absolute; a link is not followed, since a virtual
    environment is known by it."""

    environment: Environment
    python: Path


class NotReady(HarnessError):
    """It was not made, or does not run; why and what to do, in one line."""


class NeedsPython(NotReady):
    """There is no interpreter of the version that is asked for, or the one that is named is of another."""

    exit_status = 2


def ready(environment: Environment) -> Interpreter:
    """The interpreter, once it has said that it runs and has the framework; which is not imported, since that takes
    seconds. Raises NotReady."""
    python = _place_of(environment)
    _asked(environment, python, importing=False)
    return Interpreter(environment, python)


def facts_of(environment: Environment) -> Facts:
    """What it is, with the framework imported. Raises NotReady, also where that fails."""
    return _asked(environment, _place_of(environment), importing=True)


def create(
    environment: Environment,
    told: Callable[[str], None],
    *,
    base: str = "",
    detail: Callable[[str], None] = lambda line: None,
) -> Interpreter:
    """Make it, unless it is there already. told: each step in a line; detail: what pip says meanwhile. base: path or
    version of the interpreter to make it of, where the environment's own cannot be found.

    A half-made one is made anew; where another process is making it, that one is waited for. What fails is removed.
    Raises NotReady.
    """
    if not environment.is_made:
        found = ready(environment)
        told(f"{environment.name}: is there already ({found.python}); nothing is installed into it")
        return found
    if environment.within:
        told(f"{environment.name}: lies within {environment.within[0]}")
        create(environment.made_as, told, base=base, detail=detail)
        return ready(environment)
    folder = kept.folder_of(environment)
    there = kept.read_mark(folder)
    # Before anything is there: what cannot be made leaves nothing.
    found_base = None if there and there.is_complete else _base_of(environment, base)
    kept.make_root()

    def waiting() -> None:
        told(f"{environment.name}: another process is making it, and is waited for")

    with kept.locked(folder, waiting):
        if _is_complete(environment, folder, told):
            told(f"{environment.name}: is there already ({folder})")
        else:
            _make(environment, folder, found_base or _base_of(environment, base), told, detail)
    return ready(environment)


def _is_complete(environment: Environment, folder: Path, told: Callable[[str], None]) -> bool:
    there = kept.read_mark(folder)
    if there is None or not there.is_complete:
        return False
    try:
        ready(environment)
    except NotReady as error:
        told(f"{environment.name}: is made anew ({error})")
        return False
    return True


def _make(
    environment: Environment,
    folder: Path,
    base: Path,
    told: Callable[[str], None],
    detail: Callable[[str], None],
) -> None:
    def step(what: str) -> None:
        told(f"{environment.name}: {what}")

    if kept.read_mark(folder):
        step("what an earlier start has left is removed")
        kept.remove(folder)
    try:
        # Empty where a kill came before the mark. What else has this name is not ours.
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        folder.mkdir(mode=0o700)
        kept.write_mark(folder, environment)
    except OSError as error:
        raise NotReady(
            f"{environment.name}: {folder} cannot be made: {error.strerror or error}; name another folder with "
            f"{kept.VARIABLE}"
        ) from None
    try:
        facts = build(environment, base, folder, step, detail)
        kept.write_mark(folder, environment, python=facts.python, complete=True)
    except BaseException as error:
        # Whatever it is: what is half-made takes gigabytes. What cannot be removed is known by its mark.
        with contextlib.suppress(HarnessError):
            kept.remove(folder)
        if isinstance(error, CannotBeMade):
            raise NotReady(f"{environment.name}: {error}") from None
        if isinstance(error, OSError):
            why = error.strerror or error
            raise NotReady(f"{environment.name}: cannot be made in {folder}: {why}") from None
        raise


def _base_of(environment: Environment, given: str) -> Path:
    """The interpreter that it is made of. Raises NotReady."""
    wanted = given or environment.python
    if VERSION.fullmatch(wanted):
        base = find_python(wanted)
        if base is None:
            raise NeedsPython(
                f"{environment.name}: needs Python {wanted}, which is {LOOKED}: name one with python=..."
            )
    else:
        base = Path(wanted).expanduser().absolute()
    try:
        facts = ask_facts(base, "sys", variables_of(environment), importing=False)
    except DoesNotRun as error:
        raise NeedsPython(f"{environment.name}: {error}: name another one with python=...") from None
    _check_version(environment, base, facts)
    return base


def _check_version(environment: Environment, python: Path, facts: Facts) -> None:
    """Raises NeedsPython for another version than is asked for, or one that the driver is not written for."""
    if VERSION.fullmatch(environment.python) and facts.short != environment.python:
        needs = f"needs Python {environment.python}"
        raise NeedsPython(
            f"{environment.name}: {needs}, and {python} is {facts.short}: name one with python=..."
        )
    major, minor = (int(number) for number in facts.short.rstrip("t").split("."))
    if major != 3 or not OLDEST <= minor <= NEWEST:
        supported = f"3.{OLDEST} to 3.{NEWEST} are supported"
        raise NeedsPython(f"{environment.name}: {python} is Python {facts.python}, and {supported}")


def _place_of(environment: Environment) -> Path:
    """Of its interpreter. Raises NotReady where there is none."""
    if environment.name == HERE.name:
        return Path(sys.executable)
    if not environment.is_made:
        return _base_of(environment, "")
    folder = kept.folder_of(environment)
    there = kept.read_mark(folder)
    if there is None or not there.is_complete:
        how = "half-made" if there else "not created"
        raise NotReady(f"{environment.name}: {how}: harness environment create {environment.name}")
    if not kept.is_safe_to_run(folder):
        raise NotReady(
            f"{environment.name}: {folder} is another user's, or others may write to it: remove it"
        )
    return there.interpreter


def _asked(environment: Environment, python: Path, *, importing: bool) -> Facts:
    """Raises NotReady where it does not run, is of another version, or lacks the framework."""
    variables = variables_of(environment)
    try:
        facts = ask_facts(python, environment.framework, variables, importing=importing)
    except DoesNotRun as error:
        raise NotReady(f"{environment.name}: {error}{_again(environment)}") from None
    _check_version(environment, python, facts)
    if not facts.found:
        raise NotReady(f"{environment.name}: {python} has no {environment.framework}{_again(environment)}")
    if facts.error:
        raise NotReady(f"{environment.name}: {environment.framework} cannot be imported ({facts.error})")
    return facts


def _again(environment: Environment) -> str:
    return f": harness environment create {environment.name}" if environment.is_made else ""
