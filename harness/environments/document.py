"""An environment as it is described: the Python, the framework and the versions that execute a point.

In: a mapping, or a name that a file of conf/environment/ has. Out: an Environment, or ConfigError. Must not know
whether it is there, nor how it is made.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.files.places import part
from harness.core.files.plain import read_yaml
from harness.environments.requirement import EXAMPLE, pinned, refusal

# A version of Python: free-threaded builds end in a t.
VERSION = re.compile(r"3\.(\d{1,2})(t?)", re.ASCII)
# What the driver is written for, and is tested under.
OLDEST, NEWEST = 6, 14
# A folder is called so.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# Libraries that the harness can compile one for (standin.py).
STAND_INS = ("mpi",)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_MOST_LINES, _LONGEST = 200, 4096
_KEYS = ("framework", "python", "requirements", "build_requires", "stand_ins", "variables", "index", "within")
# Where else packages are: an address, or a folder of this machine.
_INDEX = re.compile(r"(?:https?|file)://[^\s\x00-\x1f]+|/[^\s\x00-\x1f]*", re.ASCII)


@dataclass(frozen=True)
class Environment:
    """framework: the module that is measured. python: a version such as 3.12 (3.13t: free-threaded), or the absolute
    path of an interpreter. requirements: pinned, without options; () for an environment that is there already, which is
    used as it is. variables: of its processes. index: of packages; empty for pip's own. build_requires: pinned, what
    sources among the requirements are built with; () for what each of them asks for itself, apart from all others.
    stand_ins: libraries that are compiled for it, in place of ones that few machines have (standin.py). within: name
    and framework of the environment in whose folder it lies, whose Python, requirements and index are its own too; ()
    in one of its own."""

    name: str
    framework: str
    python: str
    requirements: tuple[str, ...]
    variables: Mapping[str, str]
    index: str = ""
    build_requires: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def made_as(self) -> Environment:
        """The one that is made for it to be there: itself, unless it lies within another one."""
        if not self.within:
            return self
        name, framework = self.within
        return replace(self, name=name, framework=framework, within=())

    @property
    def is_made(self) -> bool:
        """Whether the harness makes it, and does not find it."""
        return bool(self.requirements)

    @property
    def is_path(self) -> bool:
        """Whether its Python is a path."""
        return self.python.startswith("/")


# The harness's own.
HERE = Environment("here", "torch", sys.executable, (), {})


def folder_of_documents() -> Path:
    return part("conf", "conf") / "environment"


def names() -> list[str]:
    """Of all that conf/environment/ describes."""
    return sorted(path.stem for path in folder_of_documents().glob("*.yaml"))


def named_environment(name: str) -> Environment:
    """From conf/environment/NAME.yaml. Raises ConfigError, which names the nearest, where there is none."""
    if name == HERE.name:
        return HERE
    known = [HERE.name, *names()]
    if name not in known:
        near = next(iter(difflib.get_close_matches(name.lower(), known, n=1)), "")
        raise ConfigError("environment", name, ", ".join(known) + (f" (the nearest: {near})" if near else ""))
    return environment_of(name, _read(name))


def _read(name: str) -> Mapping[str, Any]:
    """What the file of that name says, unchecked. Raises ConfigError where it cannot be read."""
    path = folder_of_documents() / f"{name}.yaml"
    try:
        given = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError("environment", name, f"a file that can be read: {path} ({error})") from None
    if not isinstance(given, dict):
        raise ConfigError("environment", name, f"keys in {path}: {', '.join(_KEYS)}")
    return given


def environment_of(name: str, given: Mapping[str, Any]) -> Environment:
    """Checked, with defaults: framework torch, and the Python of the harness's own version where something is to be
    installed. Raises ConfigError for the first value that is refused."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        allowed = "letters, digits, '.', '_' and '-', 64 at most, a letter or digit first: it names a folder"
        raise ConfigError("environment", name, allowed)
    if name == HERE.name:
        raise ConfigError("environment", name, "another name: this one is the harness's own environment")
    if not isinstance(given, Mapping):
        raise ConfigError(f"environment.{name}", given, "keys and values, e.g. {python: /path/to/python}")
    for key in given:
        if key not in _KEYS:
            near = next(iter(difflib.get_close_matches(str(key), _KEYS, n=1)), "")
            allowed = ", ".join(_KEYS) + (f" (the nearest: {near})" if near else "")
            raise ConfigError(f"environment.{name}.{key}", given[key], allowed)
    if given.get("within") is not None:
        return _within(name, given)
    requirements = _requirements(f"environment.{name}.requirements", given.get("requirements"))
    build_requires = _requirements(f"environment.{name}.build_requires", given.get("build_requires"))
    stand_ins = _stand_ins(f"environment.{name}.stand_ins", given.get("stand_ins"))
    for key, value in (("build_requires", build_requires), ("stand_ins", stand_ins)):
        if value and not requirements:
            raise ConfigError(f"environment.{name}.{key}", given[key], "none where nothing is installed")
    return Environment(
        name=name,
        framework=_framework(f"environment.{name}.framework", given.get("framework", "torch")),
        python=_python(f"environment.{name}.python", given.get("python"), bool(requirements)),
        requirements=requirements,
        variables=_variables(f"environment.{name}.variables", given.get("variables")),
        index=_index(f"environment.{name}.index", given.get("index")),
        build_requires=build_requires,
        stand_ins=stand_ins,
    )


def _within(name: str, given: Mapping[str, Any]) -> Environment:
    """One that lies in the folder of another one: two frameworks of which one brings the other take the room once."""
    key, other = f"environment.{name}.within", given["within"]
    of_its_own = ("python", "requirements", "build_requires", "stand_ins", "index")
    twice = next((each for each in of_its_own if given.get(each) is not None), None)
    if twice is not None:
        allowed = f"nothing beside within={other}, whose {twice} it is"
        raise ConfigError(f"environment.{name}.{twice}", given[twice], allowed)
    # Of the file of that one no more than its keys is read: were it within a third one, or itself, that would not end.
    whose = _read(other) if isinstance(other, str) and other in names() else {}
    if not whose or whose.get("within") is not None or other == name:
        raise ConfigError(
            key, other, "the name of one that conf/environment/ describes, with requirements of its own"
        )
    base = environment_of(str(other), whose)
    if not base.is_made:
        raise ConfigError(key, other, "the name of one that is made, with requirements")
    return replace(
        base,
        name=name,
        framework=_framework(f"environment.{name}.framework", given.get("framework", "torch")),
        variables={**base.variables, **_variables(f"environment.{name}.variables", given.get("variables"))},
        within=(base.name, base.framework),
    )


def _framework(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier() or len(value) > 64:
        raise ConfigError(key, value, "the name of a module, such as torch")
    return value


def _python(key: str, value: object, is_made: bool) -> str:
    allowed = f'a version from 3.{OLDEST} to 3.{NEWEST} in quotes, such as "3.10", or an interpreter\'s path'
    if value is None and is_made:
        return f"3.{sys.version_info.minor}"
    # Without quotes 3.12 is a number, of which the text is the same; 3.10 is not, and is refused as 3.1.
    text = value if isinstance(value, str) else str(value) if isinstance(value, float) else ""
    if value is None:
        raise ConfigError(key, "null", f"{allowed}; or requirements, which are installed")
    if found := VERSION.fullmatch(text):
        if OLDEST <= int(found[1]) <= NEWEST:
            return text
    elif "/" in text and text.isprintable() and len(text) <= _LONGEST:
        try:
            return str(Path(text).expanduser().absolute())
        except RuntimeError:  # ~somebody whom the system does not know
            pass
    raise ConfigError(key, value, allowed)


def _requirements(key: str, value: object) -> tuple[str, ...]:
    lines = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(lines, Sequence) or len(lines) > _MOST_LINES:
        raise ConfigError(key, value, f"a list of {_MOST_LINES} lines at most, such as [{EXAMPLE}]")
    for line in lines:
        if not isinstance(line, str):
            raise ConfigError(key, line, f"texts such as {EXAMPLE}")
        if why := refusal(line):
            raise ConfigError(key, line, why)
    return tuple(dict.fromkeys(map(pinned, lines)))


def _stand_ins(key: str, value: object) -> tuple[str, ...]:
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(each in STAND_INS for each in names):
        raise ConfigError(key, value, f"a list of {', '.join(STAND_INS)}")
    return tuple(dict.fromkeys(map(str, names)))


def _variables(key: str, value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > _MOST_LINES:
        raise ConfigError(key, value, "names and values, such as {OMP_NUM_THREADS: 1}")
    found = {}
    for name, each in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise ConfigError(f"{key}.{name}", each, "a variable's name: letters, digits and '_'")
        text = str(each) if isinstance(each, (str, int, float)) and not isinstance(each, bool) else None
        if text is None or "\0" in text or len(text) > _LONGEST:
            raise ConfigError(f"{key}.{name}", each, "a text or a number; true and false in quotes")
        found[name] = text
    return found


def _index(key: str, value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or not _INDEX.fullmatch(value):
        raise ConfigError(key, value, "an address (https://..., file:///...), or a folder's absolute path")
    return value
