"""The checks of a configuration that need nothing but the configuration itself.

In: a Config as Hydra composed it. Out: the same, checked. Must not know torch, the machine, or any later stage.
"""

from __future__ import annotations

from harness.core import axes
from harness.core.emulated import problems
from harness.core.errors import ConfigError
from harness.modes import load_plugins
from harness.plan.checks import at_least, known_words, one_of, positive, whole_numbers
from harness.plan.config import Config, MonitorConfig
from harness.plan.exclude import check_exclude
from harness.plan.shards import parse_shard
from harness.plan.words import DEVICE_KINDS, LAUNCHERS, SCALINGS, words_of

# NVML's fastest values, power among them, change every 20 ms: more samples would hold nothing more.
MOST_SAMPLES_S = 50
# A list of widths of so many layers is made for every point that is planned.
DEEPEST = 100_000
# Seeds are combined with ranks; the products must fit torch's 64 bits.
LARGEST_SEED = 2**32 - 1


def validate(config: Config) -> Config:
    """Check all that can be checked without looking at the machine.

    Raises ConfigError for the first value that is refused.
    """
    load_plugins(config.plugins)
    _check_model(config)
    for key in ("batch", "devices"):
        whole_numbers(key, getattr(config, key))
    for key in (axes.MODE, *axes.CELL_NAMES):
        known_words(key, getattr(config, key), words_of(key))
    _check_autograd(config)
    one_of("scaling", config.scaling, SCALINGS)
    one_of("device.kind", config.device.kind, DEVICE_KINDS)
    one_of("launcher.kind", config.launcher.kind, LAUNCHERS)
    _check_emulator(config)
    check_exclude(config.exclude)
    _check_limits(config)
    _check_launcher(config)
    _check_name(config.name)
    return config


def _check_model(config: Config) -> None:
    if config.hidden is not None:
        whole_numbers("hidden", config.hidden)
    else:
        for key in ("depth", "width"):
            values = getattr(config, key)
            if values is None:
                raise ConfigError(key, "null", "a list of whole numbers, e.g. [4,64], or hidden=[256,128]")
            whole_numbers(key, values)
        if max(config.depth or [1]) > DEEPEST:
            raise ConfigError("depth", max(config.depth or []), f"at most {DEEPEST}: each layer is a module")
    for key in ("in_features", "out_features"):
        value = getattr(config, key)
        if value is not None:
            at_least(key, value, 1, "a whole number of at least 1, or null for the layers' width")


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
    if not emulated:
        raise ConfigError(
            "emulator", profile.name, f"none, or with device=emulated (not {config.device.kind})"
        )
    for key, value, allowed in problems(profile):
        raise ConfigError(f"emulator.{key}", value, allowed)


def _check_limits(config: Config) -> None:
    timing = config.timing
    if not 0 <= config.seed <= LARGEST_SEED:
        raise ConfigError("seed", config.seed, f"a whole number from 0 to {LARGEST_SEED}")
    at_least("device.threads", config.device.threads, 1, "a whole number of at least 1")
    positive("timeout_s", config.timeout_s)
    positive("launcher.startup_timeout_s", config.launcher.startup_timeout_s)
    for key in ("block_ms", "warmup_max_s", "max_cell_s"):
        positive(f"timing.{key}", getattr(timing, key))
    _check_monitor(config.monitor)
    for key in ("rel_width", "rel_width_step"):
        if not 0 < getattr(timing, key) < 1:
            allowed = "a number between 0 and 1, e.g. 0.02"
            raise ConfigError(f"timing.{key}", getattr(timing, key), allowed)
    for key in ("sessions", "builds", "rounds", "visit_rounds"):
        at_least(f"timing.{key}", getattr(timing, key), 1, "a whole number of at least 1")
    at_least(
        "timing.max_sessions",
        timing.max_sessions,
        timing.sessions,
        f"a whole number of at least timing.sessions={timing.sessions}",
    )
    at_least("timing.null_every", timing.null_every, 0, "a whole number: 1 for every cell, 0 for none")


def _check_launcher(config: Config) -> None:
    launcher = config.launcher
    if launcher.devices_per_node is not None:
        allowed = "a whole number of at least 1, or null for what SLURM gives"
        at_least("launcher.devices_per_node", launcher.devices_per_node, 1, allowed)
    if config.shard is not None:
        parse_shard(config.shard)


def _check_monitor(monitor: MonitorConfig) -> None:
    if not 0 < monitor.hz <= MOST_SAMPLES_S:
        allowed = f"a number above 0 and at most {MOST_SAMPLES_S}: NVML's values change no faster"
        raise ConfigError("monitor.hz", monitor.hz, allowed)
    if monitor.window_s is not None and not 0 <= monitor.window_s < float("inf"):
        raise ConfigError(
            "monitor.window_s", monitor.window_s, "a number of at least 0, or null for the default"
        )


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or any(not (c.isalnum() or c in "._-") for c in name):
        raise ConfigError("name", name, "letters, digits, '.', '_' and '-': it names a folder")
