"""What is measured in both environments: the points of a config, each of them as a driver is told of it.

In: a checked Config. Out: cells. Must not know torch, nor what environments there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.axes import AXES
from harness.core.errors import ConfigError
from harness.duel.driven import Task
from harness.plan.config import MLP, Config
from harness.plan.layout import points_of
from harness.plan.points import Point

# What the two environments are is said by A and B.
SHOWN = tuple(axis for axis in AXES if axis != "environment")
FRAMEWORK = "torch"
# Kind in the config -> where both are measured. The host's path is what most ask about: unless said, nothing else.
DEVICES = {"auto": "cpu", "cpu": "cpu", "cuda": "cuda"}


@dataclass(frozen=True)
class Cell:
    """key: the point's. axes: by name. unsupported: why it is not measured; empty where it is."""

    key: str
    axes: Mapping[str, object]
    task: Task
    unsupported: str = ""

    @property
    def label(self) -> str:
        """In words, for tables."""
        named = {name: str(self.axes[name]) for name in ("mode", "workload", "dtype", "autograd")}
        usual = {"workload": "forward", "dtype": "float32", "autograd": "inference"}
        told = [value for name, value in named.items() if usual.get(name) != value]
        return " ".join([f"{self.axes['model']} batch {self.axes['batch']}", *told])


def cells_of(config: Config) -> tuple[Cell, ...]:
    """In the order of the axes. Raises ConfigError for a model or a device that drivers do not have."""
    if not config.model.is_mlp:
        raise ConfigError("model", config.model.name, f"{MLP}: environments are compared on it alone")
    if config.device.kind not in DEVICES:
        raise ConfigError("device", config.device.kind, "auto (the CPU), cpu or cuda")
    cells = tuple(_cell(point, config) for point in points_of(config))
    if not cells:
        raise ConfigError("exclude", config.exclude, "rules that leave at least one point")
    return cells


def _cell(point: Point, config: Config) -> Cell:
    task = Task(
        framework=FRAMEWORK,
        mode=point.mode,
        workload=point.workload,
        sizes=point.sizes,
        batch=point.rank_batch,
        dtype=point.dtype,
        autograd=point.autograd,
        seed=config.seed,
        device=DEVICES[config.device.kind],
    )
    return Cell(point.key, {axis: getattr(point, axis) for axis in SHOWN}, task, _unsupported(point))


def _unsupported(point: Point) -> str:
    if point.devices != 1:
        return f"{point.devices} devices asked for: another environment is measured on one"
    if point.controller != "processes":
        return f"controller {point.controller}: another environment is measured in a process of its own"
    return ""
