"""The checks of a configuration that need nothing but the configuration itself.

In: a Config as Hydra composed it. Out: the same, checked. Must not know torch, the machine, or any later stage.
"""

from __future__ import annotations

from harness.core import axes
from harness.core.emulated import problems
from harness.core.errors import ConfigError
from harness.modes import load_plugins
from harness.plan.allowed.bounds import check_bounds
from harness.plan.allowed.checks import known_words, one_of, some
from harness.plan.allowed.environments import environments_of
from harness.plan.allowed.model import check_model
from harness.plan.allowed.modes import check_modes, mode_words
from harness.plan.allowed.plugins import check_plugins
from harness.plan.allowed.size import check_size
from harness.plan.allowed.texts import check_name, check_path_text
from harness.plan.allowed.words import DEVICE_KINDS, LAUNCHERS, SCALINGS, words_of
from harness.plan.config import Config, TimingConfig
from harness.plan.exclude import check_exclude
from harness.plan.shards import parse_shard


def validate(config: Config) -> Config:
    """Check all that can be checked without looking at the machine.

    Raises ConfigError for the first value that is refused.
    """
    check_plugins(config.plugins)
    load_plugins(config.plugins)
    check_bounds(config)
    check_model(config)
    if config.model.is_mlp:
        _check_sizes(config)
    for key in ("batch", "devices"):
        some(key, getattr(config, key))
    for key in axes.CELL_NAMES:
        known_words(key, getattr(config, key), words_of(key))
    environments = environments_of(config)
    check_modes(config.mode, environments)
    check_size(config)
    _check_autograd(config)
    one_of("scaling", config.scaling, SCALINGS)
    one_of("device.kind", config.device.kind, DEVICE_KINDS)
    one_of("launcher.kind", config.launcher.kind, LAUNCHERS)
    _check_emulator(config)
    names = [each.name for each in environments]
    check_exclude(config.exclude, {axes.ENVIRONMENT: names, axes.MODE: mode_words(environments)})
    _check_sessions(config.timing)
    if config.shard is not None:
        parse_shard(config.shard)
    check_name(config.name)
    for key in ("out", "resume", "like"):
        check_path_text(key, getattr(config, key))
    if config.like is not None and not is_planned_elsewhere(config):
        raise ConfigError("like", config.like, "null, or beside launcher=slurm dry_run=true")
    return config


def is_planned_elsewhere(config: Config) -> bool:
    """Whether it is a plan for a job's nodes: what they have is said by a profile of theirs, or a run on such nodes."""
    return config.dry_run and config.launcher.kind == "slurm"


def _check_sizes(config: Config) -> None:
    if config.hidden is not None:
        some("hidden", config.hidden, " (depth=[1] is a model without hidden layers)")
    else:
        for key in ("depth", "width"):
            values = getattr(config, key)
            if values is None:
                raise ConfigError(key, "null", "a list of whole numbers, e.g. [4,64], or hidden=[256,128]")
            some(key, values)


def _check_autograd(config: Config) -> None:
    default = axes.DEFAULTS[axes.AUTOGRAD]
    if "forward" not in config.workload and set(config.autograd) != {default}:
        allowed = f"[{default}], the default, without workload=forward: a training step always records"
        raise ConfigError(axes.AUTOGRAD, config.autograd, allowed)


def _check_emulator(config: Config) -> None:
    profile, emulated = config.emulator, config.device.kind == "emulated"
    if emulated and profile is None:
        raise ConfigError(
            "emulator", "none", "a profile, e.g. v100x8: device=emulated is nothing without one"
        )
    if profile is None:
        return
    if not emulated and not is_planned_elsewhere(config):
        raise ConfigError(
            "emulator", profile.name, f"none, or with device=emulated (not {config.device.kind})"
        )
    for key, value, allowed in problems(profile):
        raise ConfigError(f"emulator.{key}", value, allowed)


def _check_sessions(timing: TimingConfig) -> None:
    if timing.max_sessions < timing.sessions:
        allowed = f"a whole number of at least timing.sessions={timing.sessions}"
        raise ConfigError("timing.max_sessions", timing.max_sessions, allowed)
