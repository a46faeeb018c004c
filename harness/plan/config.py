"""The configuration: its types, and the checks that need nothing but the configuration itself.

In: what Hydra composed from conf/ and the command line. Out: a checked Config.
Must not know torch, the machine, or any later stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from harness.core.controllers import CONTROLLERS
from harness.core.emulated import Profile, problems
from harness.core.errors import ConfigError
from harness.core.places import part
from harness.core.stats import FEWEST_FOR_INTERVAL
from harness.modes import load_plugins, mode_names

WORKLOADS = ("forward", "train")
DTYPES = ("float32", "float64", "bfloat16", "float16")
SCALINGS = ("weak", "strong")
DEVICE_KINDS = ("auto", "cpu", "cuda", "emulated")
LAUNCHERS = ("local", "slurm")

# NVML's fastest values, power among them, change every 20 ms: more samples would hold nothing more.
MOST_SAMPLES_S = 50

# What names a run or says what to do with it, but does not change what is measured.
RUN_KEYS = ("out", "resume", "dry_run")

# Axes that an exclude rule may name.
NAMED_AXES = ("mode", "controller", "workload", "dtype")
EXCLUDABLE = ("depth", "width", "batch", "devices", *NAMED_AXES)

# A list of widths of so many layers is made for every point that is planned.
DEEPEST = 100_000

# Seeds are combined with ranks; the products must fit torch's 64 bits.
LARGEST_SEED = 2**32 - 1


@dataclass
class DeviceConfig:
    """kind: auto, cpu, cuda or emulated. threads: intra-op threads per rank. affinity: pin ranks to cores."""

    kind: str = "auto"
    threads: int = 1
    affinity: bool = True


@dataclass
class LauncherConfig:
    """kind: local or slurm. startup_timeout_s: longest time from starting torchrun until a rank is ready.

    Under SLURM: devices_per_node: null for what SLURM gives; srun_args: further options of srun.
    """

    kind: str = "local"
    startup_timeout_s: float = 300.0
    devices_per_node: Optional[int] = None  # noqa: UP045
    srun_args: list[str] = field(default_factory=list)


@dataclass
class TimingConfig:
    """How precisely is measured; docs/method.md explains each rule.

    block_ms: wall time of one block, milliseconds. visit_rounds: rounds of a cell before the next cell's
    turn. rel_width: half width of the 95 % interval over
    the median at which a cell is done. warmup_max_s: per mode. max_cell_s: timed rounds of one cell.
    """

    block_ms: float = 15.0
    visit_rounds: int = 10
    min_rounds: int = 40
    max_rounds: int = 120
    rel_width: float = 0.015
    warmup_max_s: float = 2.0
    max_cell_s: float = 8.0


@dataclass
class MonitorConfig:
    """usage: record CPU time and context switches of each rank around each block. sampler: sample devices and host
    from a process of its own, hz times a second. window_s: seconds for which each point is held in a steady state
    for that, after its timed rounds; null: 1 on CUDA, 0.8 on an emulated node, 0 on CPU.
    """

    usage: bool = True
    sampler: bool = True
    hz: float = 20.0
    window_s: Optional[float] = None  # noqa: UP045


@dataclass
class Config:
    """A sweep: lists of values on the axes, and how to measure them."""

    name: str = "custom"
    depth: Optional[list[int]] = None  # noqa: UP045  (OmegaConf reads Optional, not `| None`, on 3.10)
    width: Optional[list[int]] = None  # noqa: UP045
    hidden: Optional[list[int]] = None  # noqa: UP045
    in_features: Optional[int] = None  # noqa: UP045
    out_features: Optional[int] = None  # noqa: UP045
    batch: list[int] = field(default_factory=lambda: [1])
    devices: list[int] = field(default_factory=lambda: [1])
    mode: list[str] = field(default_factory=lambda: ["eager", "script", "trace"])
    controller: list[str] = field(default_factory=lambda: ["processes"])
    workload: list[str] = field(default_factory=lambda: ["forward"])
    dtype: list[str] = field(default_factory=lambda: ["float32"])
    scaling: str = "weak"
    exclude: list[dict[str, Any]] = field(default_factory=list)
    oversubscribe: bool = True
    seed: int = 0
    timeout_s: float = 120.0
    plugins: list[str] = field(default_factory=list)
    shard: Optional[str] = None  # noqa: UP045
    out: Optional[str] = None  # noqa: UP045
    resume: Optional[str] = None  # noqa: UP045
    dry_run: bool = False
    device: DeviceConfig = field(default_factory=DeviceConfig)
    emulator: Optional[Profile] = None  # noqa: UP045
    launcher: LauncherConfig = field(default_factory=LauncherConfig)
    timing: TimingConfig = field(default_factory=TimingConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)


def conf_directory() -> Path:
    """The folder with the Hydra groups: beside the package in a checkout, inside it when installed."""
    return part("conf", "conf")


def executed(config: Config) -> dict[str, list[str]]:
    """What of a config has code executed that the harness does not bring: modules, options of srun."""
    return {"plugins": list(config.plugins), "launcher.srun_args": list(config.launcher.srun_args)}


def as_written(key: str, values: Sequence[str]) -> str:
    """A list as it is written on the command line, for Hydra: what is more than a word in quotes."""
    words = [
        value if value.replace("_", "").isalnum() else "'" + value.replace("'", r"\'") + "'"
        for value in values
    ]
    return f"{key}=[{','.join(words)}]"


def measured_config(config: Config) -> dict[str, Any]:
    """What decides the measurement, as plain data: two runs with the same one are the same sweep."""
    plain = asdict(config)
    for key in RUN_KEYS:
        plain.pop(key)
    return plain


def validate(config: Config) -> Config:
    """Check all that can be checked without looking at the machine.

    Raises ConfigError for the first value that is refused.
    """
    load_plugins(config.plugins)
    _check_model(config)
    for key in ("batch", "devices"):
        _whole_numbers(key, getattr(config, key))
    for key in NAMED_AXES:
        _known(key, getattr(config, key), _names(key))
    _one_of("scaling", config.scaling, SCALINGS)
    _one_of("device.kind", config.device.kind, DEVICE_KINDS)
    _one_of("launcher.kind", config.launcher.kind, LAUNCHERS)
    _check_emulator(config)
    _check_exclude(config.exclude)
    _check_limits(config)
    _check_launcher(config)
    _check_name(config.name)
    return config


def _check_model(config: Config) -> None:
    if config.hidden is not None:
        _whole_numbers("hidden", config.hidden)
    else:
        for key in ("depth", "width"):
            values = getattr(config, key)
            if values is None:
                raise ConfigError(key, "null", "a list of whole numbers, e.g. [4,64], or hidden=[256,128]")
            _whole_numbers(key, values)
        if max(config.depth or [1]) > DEEPEST:
            raise ConfigError("depth", max(config.depth or []), f"at most {DEEPEST}: each layer is a module")
    for key in ("in_features", "out_features"):
        value = getattr(config, key)
        if value is not None:
            _at_least(key, value, 1, "a whole number of at least 1, or null for the layers' width")


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


def _names(axis: str) -> tuple[str, ...]:
    known = {
        "mode": mode_names(),
        "controller": tuple(CONTROLLERS),
        "workload": WORKLOADS,
        "dtype": DTYPES,
    }
    return known[axis]


def _check_limits(config: Config) -> None:
    timing = config.timing
    if not 0 <= config.seed <= LARGEST_SEED:
        raise ConfigError("seed", config.seed, f"a whole number from 0 to {LARGEST_SEED}")
    _at_least("device.threads", config.device.threads, 1, "a whole number of at least 1")
    _positive("timeout_s", config.timeout_s)
    _positive("launcher.startup_timeout_s", config.launcher.startup_timeout_s)
    for key in ("block_ms", "warmup_max_s", "max_cell_s"):
        _positive(f"timing.{key}", getattr(timing, key))
    _check_monitor(config.monitor)
    if not 0 < timing.rel_width < 1:
        raise ConfigError("timing.rel_width", timing.rel_width, "a number between 0 and 1, e.g. 0.02")
    _at_least(
        "timing.min_rounds",
        timing.min_rounds,
        FEWEST_FOR_INTERVAL,
        f"a whole number of at least {FEWEST_FOR_INTERVAL}: fewer rounds have no 95 % interval",
    )
    _at_least("timing.visit_rounds", timing.visit_rounds, 1, "a whole number of at least 1")
    _at_least(
        "timing.max_rounds",
        timing.max_rounds,
        timing.min_rounds,
        f"a whole number of at least timing.min_rounds={timing.min_rounds}",
    )


def _check_launcher(config: Config) -> None:
    launcher = config.launcher
    if launcher.devices_per_node is not None:
        allowed = "a whole number of at least 1, or null for what SLURM gives"
        _at_least("launcher.devices_per_node", launcher.devices_per_node, 1, allowed)
    if config.shard is not None:
        parse_shard(config.shard)


def parse_shard(text: str) -> tuple[int, int]:
    """2/3 to its two numbers. Raises ConfigError."""
    number, slash, shards = text.partition("/")
    if not (slash and number.isdecimal() and shards.isdecimal() and 1 <= int(number) <= int(shards)):
        allowed = "i/n, a part of the plan: i from 1 to n, e.g. 2/3; or null for all of it"
        raise ConfigError("shard", text, allowed)
    return int(number), int(shards)


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


def _check_exclude(rules: Sequence[dict[str, Any]]) -> None:
    example = "rules such as {depth: 64, width: [512,4096]} or {batch: '>=1024'} over " + ", ".join(
        EXCLUDABLE
    )
    for number, rule in enumerate(rules):
        key = f"exclude[{number}]"
        if not rule:
            raise ConfigError(key, "{}", example + " (an empty rule would exclude everything)")
        for axis, wanted in rule.items():
            if axis not in EXCLUDABLE:
                raise ConfigError(f"{key}.{axis}", wanted, example)
            try:
                matches(wanted, "" if axis in NAMED_AXES else 1)
            except (TypeError, ValueError):
                raise ConfigError(f"{key}.{axis}", wanted, example) from None
            for name in wanted if isinstance(wanted, (list, tuple)) else [wanted]:
                if axis in NAMED_AXES:
                    _one_of(f"{key}.{axis}", name, _names(axis))


def matches(wanted: Any, value: int | str) -> bool:
    """Whether an axis value meets an exclude rule's condition: a value, a list, or '>=1024' and the like.

    Raises ValueError for a condition that cannot be read.
    """
    if isinstance(wanted, (list, tuple)):
        if not wanted:
            raise ValueError("an empty list meets nothing")
        # All of them before any(): a condition that cannot be read must not hide behind one that holds.
        met = [matches(one, value) for one in wanted]
        return any(met)
    if isinstance(value, str):
        if not isinstance(wanted, str):
            raise ValueError(wanted)
        return wanted == value
    if isinstance(wanted, bool) or not isinstance(wanted, (int, str)):
        raise ValueError(wanted)
    text = str(wanted).strip()
    for sign, holds in (
        (">=", value.__ge__),
        ("<=", value.__le__),
        ("!=", value.__ne__),
        (">", value.__gt__),
        ("<", value.__lt__),
        ("", value.__eq__),
    ):
        if text.startswith(sign):
            return bool(holds(int(text[len(sign) :])))
    raise ValueError(wanted)


def _whole_numbers(key: str, values: Sequence[int]) -> None:
    allowed = "a list of at least one whole number, each at least 1"
    if not values:
        raise ConfigError(key, "[]", allowed)
    for value in values:
        _at_least(key, value, 1, allowed)


def _known(key: str, values: Sequence[str], known: Sequence[str]) -> None:
    if not values:
        raise ConfigError(key, "[]", f"a list of at least one of {', '.join(known)}")
    for value in values:
        _one_of(key, value, known)


def _one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(key, value, ", ".join(known))


def _at_least(key: str, value: int, least: int, allowed: str) -> None:
    if value < least:
        raise ConfigError(key, value, allowed)


def _positive(key: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ConfigError(key, value, "a number above 0")
