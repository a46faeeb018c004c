"""The configuration: its types, and where its files lie.

In: what Hydra composed from conf/ and the command line. Out: a Config, not checked yet. Must not know torch, the
machine, or any later stage.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from harness.core.emulated import Profile
from harness.core.files.places import part

# What names a run or says what to do with it, but does not change what is measured.
RUN_KEYS = ("out", "resume", "dry_run", "like")
# Marks of keys that have something executed that the harness does not bring: code, an interpreter, what is installed.
# From a run directory, which may be anybody's, such a key holds only when it is named again (plan/executed.py). Of the
# second only names that are neither the harness's own nor torch's, of the third only what is described on the spot, and
# not by a file of conf/environment/.
EXECUTED = {"executed": "whatever stands there"}
CALLABLE = {"executed": "names that are somebody else's"}
DESCRIBED = {"executed": "descriptions"}
# The model whose axes stand at the top of a Config, and keys there that are its alone.
MLP = "mlp"
MLP_KEYS = ("depth", "width", "hidden", "in_features", "out_features")


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
    srun_args: list[str] = field(default_factory=list, metadata=EXECUTED)


@dataclass
class TimingConfig:
    """How precisely is measured; docs/method.md explains each rule.

    block_ms: wall time of one block, milliseconds. sessions: how often the plan is measured, each time in fresh
    processes. builds: of every cell in a session. rounds: of a build. visit_rounds: rounds of a cell before the next
    cell's turn. rel_width: half width of a speed-up's 95 % interval over its estimate that is narrow enough;
    rel_width_step: that of a step time, which differs more between processes. Cells with a point that is wider get
    further sessions, max_sessions in all at most. null_every: one in so many cells holds a second build
    of eager; 0: none does. warmup_max_s: per mode and build. max_cell_s: timed rounds of one cell in all its sessions.
    """

    block_ms: float = 4.0
    sessions: int = 5
    max_sessions: int = 5
    builds: int = 1
    rounds: int = 16
    visit_rounds: int = 8
    rel_width: float = 0.02
    rel_width_step: float = 0.05
    null_every: int = 3
    warmup_max_s: float = 2.0
    max_cell_s: float = 4.0


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
class ModelConfig:
    """What is swept. An MLP has its axes at the top of a Config; of any other model target, inputs and targets name the
    callables that make it, what it is called with and what its loss is taken against (docs/models.md), each called with
    those of args that it takes. sweep: argument -> the values that it takes in turn. loss, optimizer: for train; null
    for the default.
    """

    name: str = "mlp"
    target: Optional[str] = field(default=None, metadata=CALLABLE)  # noqa: UP045
    inputs: Optional[str] = field(default=None, metadata=CALLABLE)  # noqa: UP045
    targets: Optional[str] = field(default=None, metadata=CALLABLE)  # noqa: UP045
    args: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, list[Any]] = field(default_factory=dict)
    loss: Optional[str] = field(default=None, metadata=CALLABLE)  # noqa: UP045
    optimizer: Optional[str] = field(default=None, metadata=CALLABLE)  # noqa: UP045

    @property
    def is_mlp(self) -> bool:
        return self.name == MLP


@dataclass
class Config:
    """A sweep: lists of values on the axes, and how to measure them. serialise: have the driver of each environment
    save every mode of a forward step with its weights, and load it again, once its rounds are over."""

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
    autograd: list[str] = field(default_factory=lambda: ["inference"])
    # Names and descriptions (plan/allowed/environments.py); null for [here], over which either form may be named.
    environment: Any = field(default=None, metadata=DESCRIBED)
    scaling: str = "weak"
    exclude: list[dict[str, Any]] = field(default_factory=list)
    oversubscribe: bool = True
    seed: int = 0
    timeout_s: float = 120.0
    serialise: bool = False
    plugins: list[str] = field(default_factory=list, metadata=EXECUTED)
    shard: Optional[str] = None  # noqa: UP045
    out: Optional[str] = None  # noqa: UP045
    resume: Optional[str] = None  # noqa: UP045
    dry_run: bool = False
    like: Optional[str] = None  # noqa: UP045
    model: ModelConfig = field(default_factory=ModelConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    emulator: Optional[Profile] = None  # noqa: UP045
    launcher: LauncherConfig = field(default_factory=LauncherConfig)
    timing: TimingConfig = field(default_factory=TimingConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)


def conf_directory() -> Path:
    """The folder with the Hydra groups: beside the package in a checkout, inside it when installed."""
    return part("conf", "conf")


def measured_config(config: Config) -> dict[str, Any]:
    """What decides the measurement, as plain data: two runs with the same one are the same sweep."""
    plain = asdict(config)
    for key in RUN_KEYS:
        plain.pop(key)
    return plain
