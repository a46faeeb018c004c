"""What there is of environments: those that are described, those that were made, and the harness's own.

In: conf/environment/, the folder of environments. Out: a Look each. Changes nothing. Must not know how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ConfigError
from harness.environments import kept
from harness.environments.document import HERE, VERSION, Environment, named_environment, names
from harness.environments.interpreter import NotReady, facts_of
from harness.environments.pythons import LOOKED, find_python

RUNS = "runs"


@dataclass(frozen=True)
class Look:
    """state: `runs`, or why not, in a line. python: its version, else the one asked for. framework: its name with
    version and build, else what is to be installed. size: bytes on the disk, None where nothing of it is ours. folder:
    of one that was made."""

    name: str
    state: str
    python: str
    framework: str
    size: int | None = None
    folder: Path | None = None


def look() -> Iterator[Look]:
    """`here` first, then by name, each as soon as it is known: importing a framework takes seconds."""
    yield _existing(HERE)
    there = {each.folder: each for each in kept.found_there()}
    for name in names():
        try:
            environment = named_environment(name)
        except ConfigError as error:
            yield Look(name, f"refused ({error})", "", "")
            continue
        if environment.is_made:
            folder = kept.folder_of(environment)
            # One that lies within another one is not what that folder was made for.
            found = kept.read_mark(folder) if environment.within else there.pop(folder, None)
            yield _made(environment, found)
        else:
            yield _existing(environment)
    # What was made of requirements on a command line, or of a description that has changed since.
    for left in sorted(there.values(), key=lambda each: (each.environment.name, each.folder)):
        yield _made(left.environment, left)


def _existing(environment: Environment) -> Look:
    try:
        facts = facts_of(environment)
    except NotReady as error:
        return Look(environment.name, _reason(environment, error), environment.python, environment.framework)
    framework = _framework(environment, facts.version, facts.build)
    return Look(environment.name, RUNS, _python(facts.python, facts.free_threaded), framework)


def _made(environment: Environment, there: kept.Kept | None) -> Look:
    asked = ", ".join(environment.requirements)
    folder = there.folder if there else kept.folder_of(environment)
    size = kept.size_of(folder) if there and not environment.within else None
    if kept.is_being_made(folder):
        return Look(environment.name, "being created", environment.python, asked, size, folder)
    if there is None:
        return Look(environment.name, _not_created(environment), environment.python, asked)
    if not there.is_complete:
        return Look(environment.name, "half-made: create it again", environment.python, asked, size, folder)
    if folder != kept.folder_of(there.environment):
        state = "made with another stand-in than there is now: create it again, and remove this one"
        return Look(environment.name, state, there.python, asked, size, folder)
    try:
        # As it was made: what the same name means now may be another one.
        facts = facts_of(environment if environment.within else there.environment)
    except NotReady as error:
        state = _reason(environment, error)
        return Look(environment.name, state, there.python, asked, size, folder)
    framework = _framework(environment, facts.version, facts.build)
    python = _python(facts.python, facts.free_threaded)
    return Look(environment.name, RUNS, python, framework, size, folder)


def _not_created(environment: Environment) -> str:
    if VERSION.fullmatch(environment.python) and find_python(environment.python) is None:
        return f"not created; needs Python {environment.python}, which is {LOOKED}: name one with python=..."
    return "not created"


def _reason(environment: Environment, error: NotReady) -> str:
    return str(error).removeprefix(f"{environment.name}: ")


def _python(version: str, free_threaded: bool) -> str:
    return f"{version} free-threaded" if free_threaded else version


def _framework(environment: Environment, version: str, build: str) -> str:
    """torch 2.13.0, CPU."""
    named = f"{environment.framework} {version}".strip()
    return f"{named}, {build}" if build else named
