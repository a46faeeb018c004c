"""What may stand at the keys of a model: names of callables, and arguments that they take.

In: a ModelConfig. Out: nothing, or ConfigError. Must not know what a model is made of. Modules of its
user are imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.plan.allowed.nearest import with_nearest
from harness.plan.allowed.plugins import check_imports
from harness.plan.config import MLP_KEYS, Config, ModelConfig
from harness.plan.lookup import find, lacking, names_of, search_also, split_name
from harness.plan.recipe import as_json, is_own

NAMED = ("target", "inputs", "targets", "loss", "optimizer")
_EXAMPLES = {"target": "my_package.my_module:build", "inputs": "my_package.my_module:inputs"}
# How many arguments each is given by place before those by name: a batch, for the first two.
_PLACES = {"target": 0, "inputs": 1, "targets": 1}


def check_model(config: Config) -> None:
    """Raises ConfigError for the first value that is refused. A module that is named is imported, first in a process
    of its own; the current directory is searched last."""
    model = config.model
    named = {key: name for key in NAMED if (name := getattr(model, key)) is not None}
    for key, name in named.items():
        _check_name(key, name)
    if model.is_mlp:
        _check_mlp(config)
    else:
        _check_made(config)
    foreign = {key: name for key, name in named.items() if not is_own(name)}
    if foreign:
        search_also(str(Path.cwd()))
    # Each module once: importing one takes as long as torch does.
    for module, key in {split_name(name)[0]: key for key, name in reversed(foreign.items())}.items():
        check_imports(f"model.{key}", [module], str(Path.cwd()))
    found = {key: _found(key, name) for key, name in named.items()}
    if not model.is_mlp:
        _check_arguments(model, {key: found[key] for key in _PLACES if key in found})


def _check_name(key: str, name: str) -> None:
    try:
        split_name(name)
    except LookupError as error:
        raise ConfigError(f"model.{key}", name, str(error)) from None


def _check_mlp(config: Config) -> None:
    model = config.model
    for key in ("target", "inputs", "targets", "args", "sweep"):
        if value := getattr(model, key):
            allowed = "nothing with model=mlp, whose axes are depth and width: model=custom for your own"
            raise ConfigError(f"model.{key}", value, allowed)


def _check_made(config: Config) -> None:
    model = config.model
    for key in MLP_KEYS:
        if (value := getattr(config, key)) is not None:
            raise ConfigError(
                key, value, f"nothing with model={model.name}: its axes are model.sweep.NAME=[...]"
            )
    for key in ("target", "inputs"):
        if getattr(model, key) is None:
            raise ConfigError(f"model.{key}", "null", f"a name such as {_EXAMPLES[key]}")
    for name, values in model.sweep.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"model.sweep.{name}", values, "a list of at least one value")
    for key, arguments in (("args", model.args), ("sweep", model.sweep)):
        try:
            as_json(arguments)
        except (TypeError, ValueError):
            raise ConfigError(
                f"model.{key}", arguments, "numbers, texts, lists and mappings of them"
            ) from None


def _found(key: str, name: str) -> Callable[..., Any]:
    try:
        return find(name)
    except LookupError as error:
        raise ConfigError(f"model.{key}", name, str(error)) from error


def _check_arguments(model: ModelConfig, found: dict[str, Callable[..., Any]]) -> None:
    known = {key: names_of(function, _PLACES[key]) for key, function in found.items()}
    if all(names is not None for names in known.values()):
        some = sorted({name for names in known.values() for name in names or ()})
        for key, name in _given(model):
            if name not in some:
                allowed = f"arguments of {model.target} and its inputs: {with_nearest(name, some) or 'none'}"
                raise ConfigError(f"model.{key}.{name}", getattr(model, key)[name], allowed)
    given = {name: None for _, name in _given(model)}
    for key, function in found.items():
        if missing := lacking(function, given, _PLACES[key]):
            allowed = f"all that {getattr(model, key)} needs: {', '.join(missing)} too"
            raise ConfigError("model.args", model.args, allowed)


def _given(model: ModelConfig) -> Iterator[tuple[str, str]]:
    """Key and name of each argument."""
    yield from (("args", name) for name in model.args)
    yield from (("sweep", name) for name in model.sweep)
