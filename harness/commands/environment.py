"""The command `harness environment`: environments made, looked at, and removed.

In: arguments. Out: steps, a table, an exit status. Must not know how an environment is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from harness.commands.shared.parser import Parser
from harness.commands.shared.steps import Steps
from harness.core.errors import ConfigError, UsageError
from harness.core.text import shown
from harness.environments import kept
from harness.environments.document import HERE, named_environment, names
from harness.environments.interpreter import create
from harness.environments.looking import Look, look

DESCRIPTION = """Environments to measure in: another Python, another torch, each made in a folder of its own.
What each is stands in conf/environment/NAME.yaml; docs/environments.md has its keys."""

EPILOG = """commands:
  create NAME [python=PATH|VERSION]   make it with venv and pip, unless it is there; python: make it of this interpreter
  list                                all that are described or made: versions, size, whether they run
  remove NAME                         remove what was made of that name

They lie in build/environments/ of a checkout, else in this user's cache; HARNESS_ENVIRONMENTS names another folder.
"""


def main(arguments: list[str]) -> int:
    """Answers the exit status. Raises HarnessError for what is refused, or cannot be made."""
    parser = Parser(
        prog="harness environment",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=tuple(_COMMANDS), metavar="create|list|remove")
    parser.add_argument("words", nargs="*", metavar="NAME [python=...]")
    given = parser.parse_args(arguments)
    return _COMMANDS[given.what](given.words)


def _create(words: Sequence[str]) -> int:
    name, base = _name_and_python(words)
    environment = named_environment(name)
    if base and not environment.is_made:
        raise ConfigError("python", base, f"nothing beside {name}, which is there already and is not made")
    steps = Steps()
    try:
        made = create(environment, steps.told, base=base, detail=steps.detail)
    finally:
        steps.end()
    print(made.python)
    return 0


def _list(words: Sequence[str]) -> int:
    if words:
        raise UsageError(f"{words[0]}: harness environment list takes no more words")
    steps = Steps()
    rows = []
    try:
        for found in look():
            rows.append(found)
            steps.detail(f"{found.name}: {found.state}")
    finally:
        steps.end()
    print("\n".join(_table(rows)))
    return 0


def _remove(words: Sequence[str]) -> int:
    if len(words) != 1:
        raise UsageError("harness environment remove NAME: one name")
    (name,) = words
    found = [each for each in kept.found_there() if each.environment.name == name]
    if not found:
        if name in names() and (within := named_environment(name).within):
            raise ConfigError(
                "environment", name, f"{within[0]}, within which it lies: removing that removes both"
            )
        known = sorted({each.environment.name for each in kept.found_there()})
        if name == HERE.name or name in names():
            allowed = f"one that was created: {', '.join(known) or 'there is none'}; {name} was not"
        else:
            allowed = ", ".join(known) or "one that was created: there is none"
        raise ConfigError("environment", name, allowed)
    steps = Steps()
    for each in found:
        with kept.locked(each.folder, lambda: steps.told(f"{name}: another process is making it")):
            if kept.read_mark(each.folder):
                kept.remove(each.folder)
                print(f"removed: {each.folder}")
    return 0


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"create": _create, "list": _list, "remove": _remove}


def _name_and_python(words: Sequence[str]) -> tuple[str, str]:
    named = [word for word in words if "=" not in word]
    keys = dict(word.split("=", 1) for word in words if "=" in word)
    for key, value in keys.items():
        if key != "python":
            raise ConfigError(key, value, "python=PATH or python=3.X; what else there is stands in the file")
    if len(named) != 1:
        raise UsageError("harness environment create NAME [python=...]: one name")
    return named[0], keys.get("python", "")


def _table(rows: Sequence[Look]) -> list[str]:
    """In columns; the last is as long as its texts are."""
    head = ("name", "python", "framework", "size", "state")
    cells = [head, *((row.name, row.python, row.framework, _size(row.size), row.state) for row in rows)]
    widths = [max(len(shown(line[place])) for line in cells) for place in range(len(head) - 1)]
    return [
        "  ".join(
            [*(shown(text).ljust(width) for text, width in zip(line, widths, strict=False)), shown(line[-1])]
        )
        for line in cells
    ]


def _size(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:,.0f} MiB"
