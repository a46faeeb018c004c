"""What of a configuration has code executed that the harness does not bring.

In: a Config, whose types mark such keys. Out: keys and values, and how they are written. Must not know where the
configuration came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any

from harness.plan.config import CALLABLE, DESCRIBED, EXECUTED, Config
from harness.plan.recipe import is_own

Value = list[str] | str | dict[str, Any]
_MARK = "executed"


def executed(config: Config) -> dict[str, Value]:
    """What of a config has code executed that the harness does not bring: modules, callables, options of srun,
    interpreters and what is installed for them. Empty where there is none."""
    return {key: _foreign(each, value) for key, each, value in _marked("", config)}


def marked_keys(config: Config) -> list[str]:
    """Of all that name code, an interpreter or what is installed."""
    return [key for key, _, _ in _marked("", config)]


def of_users_model(config: Config) -> bool:
    """Whether a callable of the model is its user's own."""
    return any(_foreign(each, value) for _, each, value in _marked("", config.model))


def as_written(key: str, value: Value) -> str:
    """As it is written on the command line, for Hydra: what of a list is more than a word in quotes."""
    if isinstance(value, str):
        return f"{key}={value}"
    if isinstance(value, dict):
        return f"{key}={_flow(value)}"
    return f"{key}=[{','.join(map(_word, value))}]"


def _marked(prefix: str, part: Any) -> Iterator[tuple[str, Field[Any], Any]]:
    """Key, field and value of each marked key."""
    for each in fields(part):
        value = getattr(part, each.name)
        if _MARK in each.metadata:
            yield f"{prefix}{each.name}", each, value
        elif is_dataclass(value):
            yield from _marked(f"{prefix}{each.name}.", value)


def _foreign(each: Field[Any], value: Any) -> Value:
    """What of a marked key's value the harness does not bring itself."""
    mark = each.metadata[_MARK]
    if mark == EXECUTED[_MARK]:
        return list(value)
    if mark == CALLABLE[_MARK]:
        return "" if value is None or is_own(value) else str(value)
    assert mark == DESCRIBED[_MARK], mark
    return _descriptions(value)


def _descriptions(value: Any) -> dict[str, Any]:
    """Of a mapping, or a list of names and mappings, what is more than a name of our own."""
    if isinstance(value, Mapping):
        return {str(name): given for name, given in value.items() if given}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {name: given for each in value for name, given in _descriptions(each).items()}
    return {}


def _flow(value: Any) -> str:
    """Plain data in Hydra's grammar."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


def _word(value: str) -> str:
    return value if value.replace("_", "").isalnum() else _quoted(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", r"\'") + "'"
