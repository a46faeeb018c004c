"""Points, cells, sessions and a plan: frozen values that survive JSON.

In: values on the axes. Out: what belongs together, and what everything is called. Must not know torch, the
configuration, nor how a session is started.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.core import axes
from harness.core.controllers import CONTROLLERS
from harness.core.schema import REFERENCE_MODE, TORCH
from harness.plan.recipe import DEFAULT, Recipe


@dataclass(frozen=True)
class Point:
    """One value on every axis. sizes: of an MLP its layer widths from input to output, depth + 1 of them; of any other
    model empty, and depth and width None. recipe: how another one is made."""

    model: str
    sizes: tuple[int, ...]
    depth: int | None
    width: int | None
    batch: int
    devices: int
    controller: str
    workload: str
    dtype: str
    mode: str
    scaling: str
    autograd: str = axes.DEFAULTS[axes.AUTOGRAD]
    environment: str = axes.DEFAULTS[axes.ENVIRONMENT]
    recipe: Recipe = DEFAULT

    @property
    def key(self) -> str:
        """Hash of the axes, 12 hexadecimal digits, the same in every run, version and machine."""
        return _hash(vars(self))

    @property
    def name(self) -> str:
        """What tells it from the others of its cell, in words."""
        environment = _unusual(self, axes.ENVIRONMENT)
        return f"{self.mode} in {environment}" if environment else self.mode

    @property
    def model_args(self) -> str:
        """What the model is made of, as a JSON object; empty for an MLP."""
        return self.recipe.args if self.recipe.target else ""

    @property
    def rank_batch(self) -> int:
        """Samples of one device's shard."""
        return self.batch // self.devices if self.scaling == "strong" else self.batch

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> Point:
        recipe = plain.get("recipe", DEFAULT)
        recipe = Recipe(**recipe) if isinstance(recipe, dict) else recipe
        return Point(**{**plain, "sizes": tuple(plain["sizes"]), "recipe": recipe})


@dataclass(frozen=True)
class Cell:
    """Points that differ in mode or environment only, measured against each other in interleaved rounds."""

    points: tuple[Point, ...]

    @property
    def id(self) -> str:
        """Hash of the axes without the mode and the environment."""
        place = vars(self.points[0]).items()
        return _hash({axis: value for axis, value in place if axis not in axes.WITHIN_CELL})

    @property
    def label(self) -> str:
        """The cell in words, for logs and progress."""
        point = self.points[0]
        of_cell = [axis for axis in axes.DEFAULTS if axis not in axes.WITHIN_CELL]
        later = [f" {axis} {value}" for axis in of_cell if (value := _unusual(point, axis))]
        return (
            f"{point.model} batch {point.batch} on {point.devices} {point.controller}, "
            f"{point.workload} {point.dtype}{''.join(later)}"
        )


def _unusual(point: Point, axis: str) -> str:
    """The value on an axis that came later; empty at its default."""
    value = str(getattr(point, axis))
    return "" if value == axes.DEFAULTS[axis] else value


def _hash(place: dict[str, Any]) -> str:
    """An axis that came later has no part in it at its default: what was measured before keeps its name."""
    named = {axis: value for axis, value in place.items() if axes.DEFAULTS.get(axis) != value}
    recipe = named.pop("recipe")
    named |= {} if recipe == DEFAULT else {"recipe": recipe.plain()}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]


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
    """All points in the order of the axes; the sessions that measure them; why some are not measured. frameworks: of
    each environment that is not the harness's own."""

    points: tuple[Point, ...]
    sessions: tuple[Session, ...]
    unsupported: dict[str, str]
    frameworks: Mapping[str, str] = field(default_factory=dict)

    def framework(self, point: Point) -> str:
        return self.frameworks.get(point.environment, TORCH)


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


def is_compared_with(point: Point, others: Collection[Point]) -> bool:
    """Whether some other one of its cell is: a mode with eager of its environment, an environment with the same mode
    here."""
    is_here = not _unusual(point, axes.ENVIRONMENT)
    return any(
        (point.mode == REFERENCE_MODE and point.environment == other.environment)
        or (is_here and point.mode == other.mode)
        for other in others
    )


def remaining(plan: Plan, done: Collection[str]) -> Plan:
    """The part of a plan whose points are not among `done`.

    A cell that lacks some points is measured again together with those that they are compared with: without eager
    beside it in the same rounds, a mode would have no paired speed-up.
    """
    wanted: list[Point] = []
    for session in plan.sessions:
        for cell in session.cells:
            missing = [point for point in cell.points if point.key not in done]
            if missing:
                wanted += [p for p in cell.points if p in missing or is_compared_with(p, missing)]
    unsupported = {key: reason for key, reason in plan.unsupported.items() if key not in done}
    return replace(plan, sessions=group(wanted), unsupported=unsupported)
