"""Plain data from a file that may be anybody's: bounded in size and depth, with nothing in it that refers to anything.

In: the path of a JSON or YAML file. Out: numbers, texts, lists and dicts, or OSError or ValueError. Must not know what
they mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from harness.core.files import beneath

# A config with 10,000 values on an axis has 70 KiB. PyYAML reads some 100 KiB a second.
LARGEST_YAML = 2**18
LARGEST_JSON = 2**24
# environment.json, our deepest file, has 5 levels.
DEEPEST = 40


def read_yaml(path: Path) -> Any:
    """Raises OSError if it is no plain file or too large, ValueError if it is no YAML, or refers to something.

    An alias of an alias of an alias takes 1 KiB to write and more memory than there is to read. An interpolation
    (`${oc.env:NAME}`) would be filled in with what the reader's environment holds.
    """
    text = beneath.read(path.parent, path.name, LARGEST_YAML).decode("utf-8")
    try:
        plain = yaml.load(text, _NoAliases)  # a SafeLoader, which makes plain data only
    except (
        Exception
    ) as error:  # PyYAML's own, and whatever its constructors make of `!!int ''` or `!!bool foo`
        raise ValueError(" ".join(f"{type(error).__name__}: {error}".split())[:500]) from None
    _check(plain)
    return plain


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None if there is no such plain file, or it holds something else."""
    try:
        plain = json.loads(beneath.read(path.parent, path.name, LARGEST_JSON))
        _check(plain)
    except (OSError, ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) else None


def is_deep(plain: Any, deepest: int = DEEPEST) -> bool:
    """Whether lists and dicts stand in each other to more levels than anything of ours; without recursion."""
    return next(islice(_levels(plain), deepest, None), None) is not None


def _levels(plain: Any) -> Iterator[list[Any]]:
    """What stands on each level, from the outside in; a dict's keys are on the level of its values."""
    level = [plain]
    while level:
        yield level
        level = [below for each in level if isinstance(each, (list, dict)) for below in _within(each)]


def _within(each: list[Any] | dict[Any, Any]) -> list[Any]:
    return [*each.keys(), *each.values()] if isinstance(each, dict) else each


def _check(plain: Any) -> None:
    if is_deep(plain):
        raise ValueError(f"nested more than {DEEPEST} deep")
    for value in (value for level in _levels(plain) for value in level):
        # Not dates, sets or bytes, nor numbers that could not even be written down.
        if value is not None and not isinstance(value, (str, bool, int, float, list, dict)):
            raise ValueError(f"a {type(value).__name__}, which a run's files have none of")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError("a whole number of more than 64 bits")


class _NoAliases(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without what refers to something else."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(
                None, None, "an alias, which a run's files have none of", self.peek_event().start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        if isinstance(node, yaml.ScalarNode) and ("${" in node.value or node.value == "???"):
            raise yaml.constructor.ConstructorError(
                None, None, "an interpolation, which a run's files have none of", node.start_mark
            )
        return node
