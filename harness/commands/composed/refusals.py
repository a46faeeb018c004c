"""Hydra's and OmegaConf's errors as one line that names key, value and what is allowed.

In: an exception, and the command line. Out: a HarnessError. Must not know what a key is for.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from hydra.errors import OverrideParseException
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError

from harness.commands.composed.arguments import as_typed, without_group
from harness.commands.composed.keys import EXAMPLE, known_keys
from harness.core import axes
from harness.core.errors import ConfigError, HarnessError, UsageError
from harness.plan.allowed.nearest import nearest, with_nearest
from harness.plan.allowed.words import words_of
from harness.plan.config import conf_directory

_RULES = "a list of rules, e.g. [{depth: 64, batch: '>=1024'}]"
# What a list may be made of, where the key knows no words.
_EXAMPLES = {"plugins": "[my_modes]", "srun_args": "[--mem=64G]", "hidden": "[256,128]"}


def one_line(error: Exception, arguments: list[str]) -> HarnessError:
    """Hydra's and OmegaConf's errors as one line that names key, value and what is allowed."""
    text = as_typed("\n".join(str(e) for e in (error, error.__cause__) if e is not None))
    if found := re.search(r"Could not find '((?:hydra/)?\w+)/([^']*)'", text):
        group, option = found[1], found[2]
        return ConfigError(group, option, with_nearest(option, re.findall(r"^\t(\S+)$", text, re.MULTILINE)))
    if found := re.search(r"Ambiguous value for argument '([^=']+)=(.*)'", text):
        key, given = found[1], found[2]
        return ConfigError(key, given, f"one sweep over a list, {key}=[{given}], or with -m a sweep for each")
    if found := re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text):
        key = found[1] or found[2]
        full = re.search(r"full_key: (\S+)", text)
        key = full[1] if full and not found[1] else key
        return ConfigError(key, _given(key, arguments), known_keys(key))
    if found := re.search(r"full_key: (\S+)", text):
        # Rules are the only things without a type that a list may hold.
        key = found[1] if not found[1].isdecimal() else "exclude"
        value = re.search(r"Value '(.*?)' of type|Value '(.*?)' \(", text)
        given = (value and (value[1] or value[2])) or _given(key, arguments)
        why = isinstance(error, (InterpolationKeyError, InterpolationResolutionError))
        return ConfigError(key, given, _type_of(key, given) + (f" ({first_line(error)})" if why else ""))
    if isinstance(error, OverrideParseException):
        return _unreadable(as_typed(error.override))
    if isinstance(error, AssertionError) and (key := _of_no_profile(arguments)):
        return ConfigError(
            key, _given(key, arguments), "with a profile beside it, e.g. emulator=v100x8 device=emulated"
        )
    # Refused before anything was begun, whatever it is.
    return UsageError(first_line(error))


def _unreadable(override: str) -> HarnessError:
    """What is not KEY=VALUE, or no value that Hydra's grammar knows."""
    key, equals, given = override.partition("=")
    if equals:
        return ConfigError(key, given, "KEY=VALUE in Hydra's syntax, e.g. depth=[4,64] or timing=precise")
    options = {file.stem: f"{file.parent.name}={file.stem}" for file in conf_directory().glob("*/*.yaml")}
    near = nearest(key, sorted(options))
    meant = f" (the nearest: {options[near]})" if near else ""
    return UsageError(f"{key}: not KEY=VALUE, such as depth=[4,64] or timing=precise{meant}")


def _of_no_profile(arguments: list[str]) -> str:
    """The key of a profile that is set where there is none; empty where none is."""
    keys = (argument.lstrip("+~").partition("=")[0] for argument in arguments)
    return next((key for key in keys if key.startswith("emulator.")), "")


def _given(key: str, arguments: list[str]) -> str:
    """What was said at that key, or else at what it is an item of."""
    said = dict(argument.lstrip("+~").partition("=")[::2] for argument in map(without_group, arguments))
    return said.get(key, said.get(re.split(r"\[", key)[0], "?"))


def _type_of(key: str, given: str) -> str:
    """What a key takes, in words."""
    names = re.sub(r"\[\d+\]", "", key).split(".")
    value: Any = EXAMPLE
    annotation = ""
    for name in names:
        if is_dataclass(value):  # a number within a mapping has the mapping's annotation
            annotation = next((str(f.type) for f in fields(value) if f.name == name), "")
        value = getattr(value, name, None)
    kind = re.sub(r"Optional\[|list\[|\]", "", annotation)
    if "dict[str, float]" in annotation:
        return "a number"
    if "dict" in annotation:
        return _RULES
    if "list" in annotation:
        return _list_of(names[-1], kind, given)
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}
    return words.get(kind, "a group of keys")


def _list_of(name: str, kind: str, given: str) -> str:
    """With an example that is what was most likely meant."""
    if name in (axes.MODE, *axes.CELL_NAMES):
        known = words_of(name)
        meant = [near for word in given.split(",") if (near := nearest(word.strip("[] "), known))]
        return f"a list of some of {', '.join(known)}, e.g. {name}=[{','.join(meant or known[:2])}]"
    of_numbers = kind == "int"
    example = _EXAMPLES.get(name, "[4,64]")
    if of_numbers and given.isdecimal() and len(given) < 10:
        example = f"[{given}]"
    return f"a list of {'whole numbers' if of_numbers else 'texts'}, e.g. {name}={example}"


def first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
