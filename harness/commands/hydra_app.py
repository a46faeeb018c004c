"""Hydra's part: overrides to a checked Config, once or, with -m, many times.

In: command line arguments after `harness sweep`. Out: sweeps run. Hydra's errors come out as one line.
Must not know what a sweep does.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from harness.core.emulated import Profile
from harness.core.errors import ConfigError, HarnessError, tell
from harness.plan.config import RUN_KEYS, Config, conf_directory
from harness.plan.executed import as_written, executed
from harness.plan.validate import validate
from harness.records.files import read_config
from harness.sweep.interrupt import Interrupted
from harness.sweep.run import run_sweep

# Config groups that are a dataclass of their own; `sweep` fills the top level.
NESTED = ("device", "emulator", "launcher", "timing", "monitor")


# With every group present, to tell what keys and types there are.
_EXAMPLE = Config(emulator=Profile("", 1, "", 1, 1.0, 1, 1.0))


def sweep(arguments: list[str]) -> int:
    """Run `harness sweep` with these arguments. Answers the exit status, of -m the highest.

    Raises HarnessError for whatever is refused.
    """
    console = Console(soft_wrap=False)
    statuses: list[int] = []
    interrupted: list[Interrupted] = []

    def task(composed: DictConfig) -> None:
        # An exception that left this function would be told by Hydra over several lines, and would keep
        # -m from the combinations that follow.
        if interrupted:
            return
        try:
            statuses.append(_run_one(composed, console))
        except HarnessError as error:
            tell(error)
            statuses.append(error.exit_status)
        except Interrupted as signal:
            interrupted.append(signal)

    # Hydra hands exceptions on instead of printing them over many lines.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ConfigStore.instance().store(name="schema", node=Config)
    sys.argv = ["harness sweep", *map(without_group, arguments)]
    try:
        _hydra_main(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise _one_line(error, arguments) from error
    return interrupted[0].exit_status if interrupted else max(statuses, default=0)


def without_group(argument: str) -> str:
    """`sweep.depth=[4]` is `depth=[4]`: the axes stand at the top, since a sweep is the whole config."""
    return re.sub(r"^(\+{0,2}|~)sweep\.(?=\w)", r"\1", argument)


def _hydra_main(task: Callable[[DictConfig], None]) -> Callable[[], None]:
    decorated: Callable[[], None] = hydra.main(
        version_base="1.3", config_path=str(conf_directory()), config_name="config"
    )(task)
    return decorated


def _run_one(composed: DictConfig, console: Console) -> int:
    job = HydraConfig.get()
    config = _config(composed)
    if config.resume is not None:
        config = _resumed(Path(config.resume), config, list(job.overrides.task))
    elif config.out is not None and job.mode == RunMode.MULTIRUN:
        # One folder for each combination: they are different sweeps.
        config.out = str(Path(config.out) / str(job.job.num))
    try:
        return run_sweep(validate(config), console)
    except Interrupted:
        if not config.dry_run:
            console.print(
                "The same command with resume=RUN in place of the overrides goes on.", highlight=False
            )
        raise


def _config(composed: DictConfig) -> Config:
    """The dataclass of a composed config. Raises ConfigError for a key that was added with `+`."""
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    for prefix, part, plain in (
        ("", config, composed),
        *((f"{g}.", getattr(config, g), composed[g]) for g in NESTED if composed[g] is not None),
    ):
        for key in plain:
            if key not in {field.name for field in fields(part)}:
                raise ConfigError(f"{prefix}{key}", plain[key], _known_keys(f"{prefix}{key}"))
    return config


def _resumed(path: Path, config: Config, overrides: list[str]) -> Config:
    """The config that the run directory was made with. Other overrides than of the run are refused."""
    named = [override.lstrip("+").split("=")[0] for override in overrides]
    for key, override in zip(named, overrides, strict=True):
        if key not in (*RUN_KEYS, *executed(config)):
            raise ConfigError(
                "resume",
                path,
                f"no other overrides beside it: the run directory holds its config (drop {override})",
            )
    if config.out is not None:
        raise ConfigError("resume", path, "either resume=RUN or out=DIR")
    held = read_config(path)
    try:
        again = _config(OmegaConf.merge(OmegaConf.structured(Config), held))  # type: ignore[arg-type]
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise ConfigError(
            "resume", path, f"a run of this version of the harness ({_first_line(error)})"
        ) from None
    for key, held_there in executed(again).items():
        _check_named_again(key, held_there, executed(config)[key] if key in named else [], path)
    again.resume, again.dry_run = str(path), config.dry_run
    return again


def _check_named_again(key: str, held: list[str], named: list[str], path: Path) -> None:
    """What would be executed is not taken from a run directory, which may be anybody's. Raises ConfigError."""
    if held == named:
        return
    if named:
        raise ConfigError(key, named, f"what the run was begun with: {as_written(key, held)}")
    raise ConfigError(
        "resume",
        path,
        f"beside it {as_written(key, held)}, as the run was begun with: what a run directory names is not executed "
        "unless you name it too",
    )


def _one_line(error: Exception, arguments: list[str]) -> HarnessError:
    """Hydra's and OmegaConf's errors as one line that names key, value and what is allowed."""
    text = "\n".join(str(e) for e in (error, error.__cause__) if e is not None)
    if found := re.search(r"Could not find '([\w./-]+)/([^']*)'", text):
        group, option = found[1], found[2]
        return ConfigError(group, option, ", ".join(_options(group)))
    if found := re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text):
        key = found[1] or found[2]
        full = re.search(r"full_key: (\S+)", text)
        key = full[1] if full and not found[1] else key
        return ConfigError(key, _given(key, arguments), _known_keys(key))
    if found := re.search(r"full_key: (\S+)", text):
        key = found[1]
        value = re.search(r"Value '(.*?)' of type|Value '(.*?)' \(", text)
        return ConfigError(key, (value and (value[1] or value[2])) or _given(key, arguments), _type_of(key))
    if isinstance(error, OverrideParseException):
        key, _, given = error.override.partition("=")
        return ConfigError(key, given, "KEY=VALUE in Hydra's syntax, e.g. depth=[4,64] or timing=precise")
    return HarnessError(_first_line(error))


def _given(key: str, arguments: list[str]) -> str:
    name = re.split(r"[.\[]", key)[0]
    for argument in map(without_group, arguments):
        left, _, right = argument.lstrip("+~").partition("=")
        if left == key or left.split(".")[0] == name:
            return right
    return "?"


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_directory() / group).glob("*.yaml"))


def _known_keys(key: str) -> str:
    head, _, tail = key.partition(".")
    known = [field.name for field in fields(Config)]
    if tail and head in NESTED:
        known = [f"{head}.{field.name}" for field in fields(getattr(_EXAMPLE, head))]
    close = difflib.get_close_matches(key, known, n=1)
    return (f"{close[0]} (the nearest), or one of " if close else "one of ") + ", ".join(known)


def _type_of(key: str) -> str:
    """What a key takes, in words."""
    names = re.sub(r"\[\d+\]", "", key).split(".")
    value: Any = _EXAMPLE
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


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
