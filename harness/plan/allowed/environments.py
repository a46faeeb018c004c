"""The axis `environment`: which environments a configuration names.

In: a Config. Out: Environments, checked; or ConfigError. Must not know whether they are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.core.errors import ConfigError
from harness.environments.document import HERE, Environment, environment_of, named_environment
from harness.plan.config import Config

_KEY = "environment"
_ALLOWED = (
    "a list of names, e.g. [here,torch-2.13], or environments that are there already beside here, e.g. "
    "{mine: {python: /path/to/python}}"
)


def environments_of(config: Config) -> tuple[Environment, ...]:
    """In the order in which they are named: a list of names and of mappings of a name to what it is, or one mapping, or
    a text of names with commas between them.
    What is described there and then is measured beside `here`, which comes first if it is not named.
    Raises ConfigError."""
    given = config.environment
    found = [HERE] if given is None else list(_named(given))
    if not found:
        raise ConfigError(_KEY, given, _ALLOWED)
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(_KEY, given, f"each name once ({twice} is there twice)")
    return tuple(found)


def is_driven(environments: Sequence[Environment]) -> bool:
    """Whether all of them are measured by drivers, `here` too: so that all are measured alike."""
    return tuple(environments) != (HERE,)


def _named(given: Any) -> Iterator[Environment]:
    if isinstance(given, Mapping):
        # On the command line a list of names is a mapping too, of nothing: of those alone none is added.
        if HERE.name not in given and any(given.values()):
            yield HERE
        yield from _described(given)
        return
    if isinstance(given, str):
        given = [name for each in given.split(",") if (name := each.strip())]
    if not isinstance(given, Sequence):
        raise ConfigError(_KEY, given, _ALLOWED)
    for each in given:
        if isinstance(each, Mapping):
            yield from _described(each)
        elif isinstance(each, str):
            yield named_environment(each)
        else:
            raise ConfigError(_KEY, given, _ALLOWED)


def _described(given: Mapping[Any, Any]) -> Iterator[Environment]:
    """Each by what it is; by its name alone where nothing is said."""
    for name, described in given.items():
        if not described:
            yield named_environment(str(name))
        elif isinstance(described, Mapping):
            yield environment_of(str(name), described)
        else:
            raise ConfigError(f"{_KEY}.{name}", described, "a mapping, e.g. {python: /path/to/python}")
