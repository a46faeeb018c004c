"""What of a configuration has code executed that the harness does not bring.

In: a Config. Out: keys and values, and how they are written. Must not know where the configuration came from.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.plan.allowed.model import NAMED
from harness.plan.config import Config
from harness.plan.recipe import is_own

Value = list[str] | str


def executed(config: Config) -> dict[str, Value]:
    """What of a config has code executed that the harness does not bring: modules, callables, options of srun. Empty
    where there is none."""
    return {
        "plugins": list(config.plugins),
        "launcher.srun_args": list(config.launcher.srun_args),
        **{f"model.{key}": "" if is_own(name) else name for key, name in _callables(config).items()},
    }


def of_users_model(config: Config) -> bool:
    """Whether a callable of the model is its user's own."""
    return any(name and not is_own(name) for name in _callables(config).values())


def _callables(config: Config) -> dict[str, str]:
    return {key: getattr(config.model, key) or "" for key in NAMED}


def as_written(key: str, value: Value) -> str:
    """As it is written on the command line, for Hydra: what of a list is more than a word in quotes."""
    return f"{key}={value}" if isinstance(value, str) else f"{key}=[{','.join(_words(value))}]"


def _words(values: Sequence[str]) -> list[str]:
    return [
        value if value.replace("_", "").isalnum() else "'" + value.replace("'", r"\'") + "'"
        for value in values
    ]
