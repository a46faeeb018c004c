"""Hydra's and OmegaConf's errors as one line that names key, value and what is allowed.

In: an exception, and the command line. Out: a HarnessError. Must not know what a key is for.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from hydra.errors import OverrideParseException

from harness.commands.keys import EXAMPLE, known_keys
from harness.commands.overrides import without_group
from harness.core.errors import ConfigError, HarnessError
from harness.plan.config import conf_directory


def one_line(error: Exception, arguments: list[str]) -> HarnessError:
    """Hydra's and OmegaConf's errors as one line that names key, value and what is allowed."""
    text = "\n".join(str(e) for e in (error, error.__cause__) if e is not None)
    if found := re.search(r"Could not find '([\w./-]+)/([^']*)'", text):
        group, option = found[1], found[2]
        return ConfigError(group, option, ", ".join(_options(group)))
    if found := re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text):
        key = found[1] or found[2]
        full = re.search(r"full_key: (\S+)", text)
        key = full[1] if full and not found[1] else key
        return ConfigError(key, _given(key, arguments), known_keys(key))
    if found := re.search(r"full_key: (\S+)", text):
        key = found[1]
        value = re.search(r"Value '(.*?)' of type|Value '(.*?)' \(", text)
        return ConfigError(key, (value and (value[1] or value[2])) or _given(key, arguments), _type_of(key))
    if isinstance(error, OverrideParseException):
        key, _, given = error.override.partition("=")
        return ConfigError(key, given, "KEY=VALUE in Hydra's syntax, e.g. depth=[4,64] or timing=precise")
    return HarnessError(first_line(error))


def _given(key: str, arguments: list[str]) -> str:
    name = re.split(r"[.\[]", key)[0]
    for argument in map(without_group, arguments):
        left, _, right = argument.lstrip("+~").partition("=")
        if left == key or left.split(".")[0] == name:
            return right
    return "?"


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_directory() / group).glob("*.yaml"))


def _type_of(key: str) -> str:
    """What a key takes, in words."""
    names = re.sub(r"\[\d+\]", "", key).split(".")
    value: Any = EXAMPLE
    annotation = ""
    for name in names:
        if is_dataclass(value):  # a number within a mapping has the mapping's annotation
            annotation = next((str(f.type) for f in fields(value) if f.name == name), "")
        value = getattr(value, name, None)
    listed, kind = "list" in annotation, re.sub(r"Optional\[|list\[|\]", "", annotation)
    if "dict[str, float]" in annotation:
        return "a number"
    if "dict" in annotation:
        return "a list of rules, e.g. [{depth: 64, batch: '>=1024'}]"
    word = {
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "str": "text",
    }.get(kind, "a group of keys")
    if listed:
        example = "[4,64]" if kind == "int" else "[eager,script]"
        return f"a list of {word}s, e.g. {names[-1]}={example if names[-1] != 'plugins' else '[my_modes]'}"
    return word if kind == "bool" or word.startswith("a ") else f"a {word}"


def first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
