"""The configuration of a run that is gone on with.

In: a run directory, and the overrides beside it. Out: the config it was made with, or ConfigError. Must not know how it
is gone on with.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.commands.composed.arguments import as_typed
from harness.commands.composed.overrides import config_of
from harness.commands.composed.refusals import first_line
from harness.core.errors import ConfigError
from harness.plan.config import RUN_KEYS, Config
from harness.plan.executed import Value, as_written, executed
from harness.records.files import read_config


def resumed(path: Path, config: Config, overrides: list[str]) -> Config:
    """The config that the run directory was made with. Other overrides than of the run are refused."""
    overrides = [as_typed(override) for override in overrides]
    named = [override.lstrip("+").split("=")[0] for override in overrides]
    for key, override in zip(named, overrides, strict=True):
        if key not in (*RUN_KEYS, *executed(config), "model"):
            raise ConfigError(
                "resume",
                path,
                f"no other overrides beside it: the run directory holds its config (drop {override})",
            )
    if config.out is not None:
        raise ConfigError("resume", path, "either resume=RUN or out=DIR")
    recorded = read_config(path)
    try:
        again = config_of(OmegaConf.merge(OmegaConf.structured(Config), recorded))  # type: ignore[arg-type]
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise ConfigError(
            "resume", path, f"a run of this version of the harness ({first_line(error)})"
        ) from None
    if "model" in named and config.model.name != again.model.name:
        raise ConfigError(
            "model", config.model.name, f"{again.model.name}, as the run was begun with, or nothing"
        )
    for key, held_there in executed(again).items():
        _check_named_again(key, held_there, executed(config)[key] if key in named else "", path)
    again.resume, again.dry_run = str(path), config.dry_run
    return again


def _check_named_again(key: str, held: Value, named: Value, path: Path) -> None:
    """What would be executed is not taken from a run directory, which may be anybody's. Raises ConfigError."""
    if held == named or not (held or named):
        return
    if named:
        raise ConfigError(key, named, f"what the run was begun with: {as_written(key, held)}")
    raise ConfigError(
        "resume",
        path,
        f"beside it {as_written(key, held)}, as the run was begun with: what a run directory names is not executed "
        "unless you name it too",
    )
