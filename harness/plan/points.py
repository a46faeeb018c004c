"""From a checked configuration to points, cells and sessions.

In: a Config and the Inventory of the machine. Out: a Plan, plain frozen values that survive JSON.
Must not know torch, nor how a session is started.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from harness.core.controllers import CONTROLLERS
from harness.core.errors import ConfigError
from harness.core.schema import REFERENCE_MODE as REFERENCE_MODE
from harness.core.stats import FEWEST_FOR_INTERVAL
from harness.modes import get_mode
from harness.plan.config import Config, matches

# For the estimate alone, never for a result. A bare start of two ranks: importing torch and meeting.
START_SECONDS = 5.0
# Preparation, output check and warm-up of one mode.
WARM_UP_SECONDS = 0.4
# A rough GPU, a rough CPU core, and a rough cost of one operation.
FLOP_PER_SECOND = (1e13, 3e10)
OPERATION_SECONDS = 3e-6


@dataclass(frozen=True)
class Inventory:
    """What the machine has. kind: cpu, cuda or emulated; count: devices present (on CPU: cores);
    cores: that this process may use; explicit: whether the user asked for this kind by name.

    allocated: whether it is what a SLURM job was given: `nodes` nodes, with count and cores on each, and no more.
    """

    kind: str
    count: int
    name: str
    cores: int
    explicit: bool = False
    allocated: bool = False
    nodes: int = 1

    def nodes_for(self, devices: int) -> int:
        """Nodes that so many devices are spread over: as few as have them."""
        return math.ceil(devices / self.count) if self.allocated else 1


@dataclass(frozen=True)
class Point:
    """One value on every axis. sizes: layer widths from input to output, depth + 1 of them."""

    model: str
    sizes: tuple[int, ...]
    depth: int
    width: int
    batch: int
    devices: int
    controller: str
    workload: str
    dtype: str
    mode: str
    scaling: str

    @property
    def key(self) -> str:
        """Hash of the axes, 12 hexadecimal digits, the same in every run and on every machine."""
        axes = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(axes.encode()).hexdigest()[:12]

    @property
    def rank_batch(self) -> int:
        """Samples of one device's shard."""
        return self.batch // self.devices if self.scaling == "strong" else self.batch

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> Point:
        return Point(**{**plain, "sizes": tuple(plain["sizes"])})


@dataclass(frozen=True)
class Cell:
    """Points that differ in mode only, measured against each other in interleaved rounds."""

    points: tuple[Point, ...]

    @property
    def id(self) -> str:
        """Hash of the axes without the mode."""
        axes = asdict(self.points[0])
        axes.pop("mode")
        return hashlib.sha256(json.dumps(axes, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """The cell in words, for logs and progress."""
        point = self.points[0]
        return (
            f"{point.model} batch {point.batch} on {point.devices} {point.controller}, "
            f"{point.workload} {point.dtype}"
        )


@dataclass(frozen=True)
class Session:
    """One torchrun start: a fixed device count and controller, many cells."""

    devices: int
    controller: str
    cells: tuple[Cell, ...]

    @property
    def ranks(self) -> int:
        """World size."""
        return CONTROLLERS[self.controller].ranks(self.devices)

    @property
    def points(self) -> int:
        return sum(len(cell.points) for cell in self.cells)


@dataclass(frozen=True)
class Plan:
    """All points in the order of the axes; the sessions that measure them; why some are not measured."""

    points: tuple[Point, ...]
    sessions: tuple[Session, ...]
    unsupported: dict[str, str]


def make_plan(config: Config, inventory: Inventory) -> Plan:
    """Lay out the sweep for this machine.

    Raises ConfigError where the combination of values, or of values and machine, is refused.
    """
    points = tuple(_points(config))
    if not points:
        raise ConfigError("exclude", config.exclude, "rules that leave at least one point")
    _check_presence(config, inventory)
    unsupported = {point.key: reason for point in points if (reason := _reason(point, config, inventory))}
    return Plan(points, group([p for p in points if p.key not in unsupported]), unsupported)


def group(points: Collection[Point]) -> tuple[Session, ...]:
    """Points to cells to sessions, in the order in which they first appear; sessions by device count."""
    cells: dict[str, list[Point]] = {}
    for point in points:
        cells.setdefault(Cell((point,)).id, []).append(point)
    sessions: dict[tuple[int, str], list[Cell]] = {}
    for members in cells.values():
        first = members[0]
        sessions.setdefault((first.devices, first.controller), []).append(Cell(tuple(members)))
    return tuple(
        Session(devices, controller, tuple(of_session))
        for (devices, controller), of_session in sorted(sessions.items(), key=lambda item: item[0])
    )


def remaining(plan: Plan, done: Collection[str]) -> Plan:
    """The part of a plan whose points are not among `done`.

    A cell that lacks some modes is measured again together with its reference mode: without eager
    beside it in the same rounds, a mode would have no paired speed-up.
    """
    wanted: list[Point] = []
    for session in plan.sessions:
        for cell in session.cells:
            missing = [point for point in cell.points if point.key not in done]
            if missing:
                wanted += [p for p in cell.points if p in missing or p.mode == REFERENCE_MODE]
    unsupported = {key: reason for key, reason in plan.unsupported.items() if key not in done}
    return Plan(plan.points, group(wanted), unsupported)


# For how long a point is held for samplers where the config leaves it open. A CPU has no sampled utilisation;
# an emulated device has no noise that a longer window would average.
WINDOW_S = {"cpu": 0.0, "cuda": 1.0, "emulated": 0.8}


def window_seconds(config: Config, device_kind: str) -> float:
    """Seconds for which each point is held in a steady state."""
    if not config.monitor.sampler:
        return 0.0
    return WINDOW_S[device_kind] if config.monitor.window_s is None else config.monitor.window_s


def estimate_seconds(plan: Plan, config: Config, inventory: Inventory) -> tuple[float, float]:
    """Least and most seconds that the plan is likely to take, from a rough cost of a step."""
    timing, flop_s = config.timing, FLOP_PER_SECOND[inventory.kind == "cpu"]
    if config.emulator is not None:
        flop_s = config.emulator.flop_s["float32"] * config.emulator.gemm_efficiency
    least = most = 0.0
    for session in plan.sessions:
        least += START_SECONDS
        most += START_SECONDS
        for cell in session.cells:
            in_turn = 1 if session.controller != "loop" else session.devices
            steps = [in_turn * _step_seconds(point, flop_s) for point in cell.points]
            # On asynchronous devices a burst beside every block, for issue or device time.
            blocks = 1 if inventory.kind == "cpu" else 2
            round_seconds = blocks * sum(max(timing.block_ms / 1e3, step) for step in steps)
            fewest = FEWEST_FOR_INTERVAL * round_seconds
            held = window_seconds(config, inventory.kind)
            warm_up = sum(WARM_UP_SECONDS + held + 8 * step for step in steps)
            least += warm_up + max(fewest, min(blocks * timing.max_cell_s, timing.min_rounds * round_seconds))
            most += warm_up + max(fewest, min(blocks * timing.max_cell_s, timing.max_rounds * round_seconds))
    return least, most


def _step_seconds(point: Point, flop_s: float) -> float:
    multiplications = sum(a * b for a, b in zip(point.sizes, point.sizes[1:], strict=False))
    passes = 3 if point.workload == "train" else 1
    return passes * (2 * point.rank_batch * multiplications / flop_s + 2 * point.depth * OPERATION_SECONDS)


def _points(config: Config) -> Iterator[Point]:
    for sizes, batch, devices, controller, workload, dtype in product(
        _models(config),
        _once(config.batch),
        _once(config.devices),
        _once(config.controller),
        _once(config.workload),
        _once(config.dtype),
    ):
        for mode in _once(config.mode):
            point = Point(
                model=_model_name(sizes),
                sizes=sizes,
                depth=len(sizes) - 1,
                width=max(sizes[1:-1], default=sizes[0]),
                batch=batch,
                devices=devices,
                controller=controller,
                workload=workload,
                dtype=dtype,
                mode=mode,
                scaling=config.scaling,
            )
            if any(_excluded(rule, point) for rule in config.exclude):
                continue
            if workload == "train" and sizes[-1] < 2:
                raise ConfigError(
                    "out_features",
                    sizes[-1],
                    "at least 2 under workload=train: with one class the loss is always 0",
                )
            if config.scaling == "strong" and batch % devices:
                raise ConfigError(
                    "batch",
                    batch,
                    f"under scaling=strong a multiple of every device count; it does not divide by {devices} "
                    "(an exclude rule can leave the pair out)",
                )
            yield point


def _models(config: Config) -> list[tuple[int, ...]]:
    """Layer widths from input to output, for each model of the sweep."""
    if config.hidden is not None:
        hidden = config.hidden
        return [(config.in_features or hidden[0], *hidden, config.out_features or hidden[-1])]
    # depth counts Linear layers; the last of them leads to the output.
    models = [
        (config.in_features or width, *[width] * (depth - 1), config.out_features or width)
        for depth, width in product(_once(config.depth or []), _once(config.width or []))
    ]
    return _once(models)  # two widths make the same model where there is no hidden layer


def _model_name(sizes: tuple[int, ...]) -> str:
    if len(set(sizes)) == 1:
        return f"mlp-{sizes[0]}x{len(sizes) - 1}"
    if len(sizes) <= 8:
        return "mlp-" + "-".join(map(str, sizes))
    if len(set(sizes[1:-1])) == 1:
        return f"mlp-{sizes[0]}-{sizes[1]}x{len(sizes) - 2}-{sizes[-1]}"
    digest = hashlib.sha256(repr(sizes).encode()).hexdigest()[:6]
    return f"mlp-{sizes[0]}-...-{sizes[-1]}-{len(sizes) - 1}-layers-{digest}"


def _excluded(rule: dict[str, Any], point: Point) -> bool:
    return all(matches(wanted, getattr(point, axis)) for axis, wanted in rule.items())


def _once(values: list[Any]) -> list[Any]:
    """Each value once, in order: a value given twice is one point, not two."""
    return list(dict.fromkeys(values))


def _check_presence(config: Config, inventory: Inventory) -> None:
    # What a job has not been given becomes rows: the same sweep may be submitted with fewer nodes.
    if inventory.kind != "cpu" and inventory.explicit and not inventory.allocated:
        advice = (
            "the devices of the emulated node (emulator.devices=N)"
            if inventory.kind == "emulated"
            else "the CUDA devices present (device=auto makes rows `unsupported` of the rest)"
        )
        for devices in config.devices:
            if devices > inventory.count:
                raise ConfigError("devices", devices, f"1 to {inventory.count}, {advice}")


def _reason(point: Point, config: Config, inventory: Inventory) -> str | None:
    controller = CONTROLLERS[point.controller]
    if inventory.allocated and (reason := _not_allocated(point, inventory)):
        return reason
    if inventory.kind == "cuda" and not inventory.allocated and point.devices > inventory.count:
        return f"{point.devices} devices asked for, {inventory.count} present"
    if point.workload == "train" and not controller.process_per_device:
        return "train needs DistributedDataParallel, which has one process per device (controller=processes)"
    if inventory.kind == "cpu":
        threads, issuing = config.device.threads, controller.issuing_threads(point.devices)
        cores = inventory.cores * inventory.nodes_for(point.devices)
        if not config.oversubscribe and issuing * threads > cores:
            who = "ranks" if controller.process_per_device else "issuing threads"
            return (
                f"{issuing} {who} x {threads} threads asked for, {cores} cores present "
                "(oversubscribe=true runs it all the same)"
            )
    return get_mode(point.mode).unsupported(
        workload=point.workload, dtype=point.dtype, device_kind=inventory.kind
    )


def _not_allocated(point: Point, inventory: Inventory) -> str | None:
    """What the job lacks for a point."""
    there = inventory.count * inventory.nodes
    if point.devices > there:
        nodes = "1 node" if inventory.nodes == 1 else f"{inventory.nodes} nodes"
        return f"{point.devices} devices asked for, {there} in the allocation ({nodes} with {inventory.count} each)"
    if not CONTROLLERS[point.controller].process_per_device and point.devices > inventory.count:
        return (
            f"controller={point.controller} is one process: {point.devices} devices are on more than one node"
        )
    return None
