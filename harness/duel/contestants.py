"""Who stands against whom: environments by a name, an interpreter, requirement lines or a file of them.

In: a word of the command line. Out: a Contestant with an interpreter that runs. Must not know what is measured.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ConfigError, HarnessError
from harness.duel.driven import Arm, Driven
from harness.environments.document import Environment, environment_of, named_environment
from harness.environments.driving.memory import no_room
from harness.environments.driving.process import Driver
from harness.environments.interpreter import Interpreter, NotReady, create, ready
from harness.environments.requirement import AT_INDEX, refusal

# What a line of requirements may also say: pip knows no such package, and a comment is none to it.
PYTHON = re.compile(r"#?\s*python\s*==\s*(3\.\d{1,2}t?)", re.ASCII)
_REQUIREMENTS = re.compile(r".*[=<>~!]=|.*[<>\s,;@]", re.DOTALL)
_MOST_BYTES = 2**16


@dataclass(frozen=True)
class Parts:
    """What an environment is made of. python: a version. framework: its pinned line. rest: the other lines."""

    python: str
    framework: str
    rest: tuple[str, ...]

    def environment(self, index: str) -> Environment:
        """Named by what is in it, so that the same parts are the same environment. Raises ConfigError for a line that
        is refused."""
        lines = [self.framework, *self.rest]
        digest = hashlib.sha256("\n".join([self.python, *lines, index]).encode()).hexdigest()[:8]
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", self.framework).strip("-.")[:32]
        given = {"python": self.python, "requirements": lines, "index": index}
        return environment_of(f"{readable}-py{self.python}-{digest}", given)

    def __str__(self) -> str:
        return " ".join([f"python=={self.python}", self.framework, *self.rest])


@dataclass(frozen=True)
class Contestant:
    """said: what the user called it."""

    said: str
    interpreter: Interpreter

    def arm(self, name: str, threads: int, cores: Sequence[int] | None, timeout_s: float) -> Arm:
        def start() -> Driven:
            return Driver(self.interpreter, threads=threads, cores=cores, timeout_s=timeout_s)

        return Arm(name, self.said, start)


def contestant(key: str, word: str, index: str, told: Callable[[str], None]) -> Contestant:
    """key: A or B, for messages. What is made of requirement lines is made here, unless it is there already.

    Raises ConfigError for a word that is none of these, HarnessError where the environment is not there or cannot be
    made.
    """
    if not word.strip():
        raise ConfigError(
            key, word, "an environment's name, an interpreter's path, or lines such as \"torch==2.13.0\""
        )
    if is_file_of_requirements(word):
        return made(word, parts_of_file(key, Path(word)).environment(index), told)
    if "/" in word and ("==" not in word or Path(word).exists()):
        return there(word, environment_of(key.lower(), {"python": word}))
    if _REQUIREMENTS.match(word):
        parts = parts_of_lines(key, word, re.split(r"[\s,]+", word.strip()))
        return made(word, parts.environment(index), told)
    return there(word, named_environment(word))


def crowded(living: Sequence[Driven]) -> str | None:
    """Why there is no memory for another process beside these; None where there is."""
    return no_room([each for each in living if isinstance(each, Driver)])


def there(said: str, environment: Environment) -> Contestant:
    """Raises HarnessError where it is not."""
    try:
        return Contestant(said, ready(environment))
    except NotReady as error:
        raise HarnessError(f"{said}: {error}") from None


def made(said: str, environment: Environment, told: Callable[[str], None]) -> Contestant:
    """Raises HarnessError where it cannot be."""
    try:
        return Contestant(said, ready(environment))
    except NotReady:
        told(
            f"making {environment.name}: {', '.join(environment.requirements)} under Python {environment.python}"
        )
    try:
        return Contestant(said, create(environment, told))
    except NotReady as error:
        raise HarnessError(f"{said}: {error}") from None


def is_file_of_requirements(word: str) -> bool:
    return word.endswith(".txt") and "==" not in word


def parts_of_file(key: str, path: Path) -> Parts:
    """One requirement a line, a comment after a #. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(key, path, f"a file of requirement lines that can be read ({why})") from None
    lines = (line.strip() for line in text.splitlines())
    kept = [line if PYTHON.fullmatch(line) else line.partition("#")[0].strip() for line in lines]
    return parts_of_lines(key, str(path), [line for line in kept if line])


def parts_of_lines(key: str, said: str, lines: Sequence[str]) -> Parts:
    """Raises ConfigError for a line that is refused, and where there is no torch, or two of something."""
    pythons = [found[1] for line in lines if (found := PYTHON.fullmatch(line))]
    others = [line for line in lines if line and not PYTHON.fullmatch(line)]
    for line in others:
        if why := refusal(line):
            raise ConfigError(key, line, why.replace(AT_INDEX, "with --index"))
    frameworks = [line for line in others if _name_of(line) == "torch"]
    if len(frameworks) != 1 or len(pythons) > 1:
        raise ConfigError(key, said, "one line of torch, e.g. torch==2.13.0, and one of python==3.12 at most")
    rest = tuple(sorted(line for line in others if line not in frameworks))
    return Parts(pythons[0] if pythons else f"3.{sys.version_info.minor}", frameworks[0], rest)


def _name_of(line: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]*", line)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""
