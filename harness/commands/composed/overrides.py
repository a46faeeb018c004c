"""Overrides of the command line, and the Config that comes of them.

In: words, and what Hydra composed of them. Out: a Config, not checked yet. Must not know what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from omegaconf import DictConfig, OmegaConf

from harness.commands.composed.arguments import GIVEN_ENVIRONMENT, without_group
from harness.commands.composed.keys import NESTED, known_keys
from harness.core.errors import ConfigError
from harness.plan.config import MLP_KEYS, Config


def without_mlp_sizes(config: Config, overrides: Sequence[str]) -> Config:
    """The config without the sizes that a file of conf/sweep/ gives its MLP, where the model is another one. What the
    overrides say stays, to be refused."""
    if not config.model.is_mlp:
        said = {without_group(override).lstrip("+").partition("=")[0] for override in overrides}
        for key in MLP_KEYS:
            if key not in said:
                setattr(config, key, None)
    return config


def config_of(composed: DictConfig) -> Config:
    """The dataclass of a composed config. Raises ConfigError for a key that was added with `+`."""
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    if GIVEN_ENVIRONMENT in composed:
        config.environment = vars(config).pop(GIVEN_ENVIRONMENT)
    for prefix, part, plain in (
        ("", config, composed),
        *((f"{g}.", getattr(config, g), composed[g]) for g in NESTED if composed[g] is not None),
    ):
        for key in plain:
            if key not in {field.name for field in fields(part)} and f"{prefix}{key}" != GIVEN_ENVIRONMENT:
                raise ConfigError(f"{prefix}{key}", plain[key], known_keys(f"{prefix}{key}"))
    return config
