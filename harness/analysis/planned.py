"""The points of a run as its launcher wrote them down.

In: records of launcher.jsonl. Out: a Planned for each point. Must not know what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import axes, schema
from harness.core.controllers import CONTROLLERS, issuing_threads
from harness.records.kinds import Point


@dataclass(frozen=True)
class Planned:
    """axes: name (of axes.RECORDED) -> value. needs_python, holds_lock, style: of the point's mode, as it said."""

    key: str
    axes: dict[str, Any]
    needs_python: bool
    holds_lock: bool
    framework: str = schema.TORCH
    style: str = ""

    @property
    def is_reference(self) -> bool:
        """Whether the others of its cell and environment are compared with it."""
        return bool(self.axes[axes.MODE] == schema.REFERENCE_MODE)

    @property
    def environment(self) -> str:
        return str(self.axes[axes.ENVIRONMENT])

    @property
    def is_here(self) -> bool:
        """Whether it is of the harness's own environment."""
        return self.environment == axes.DEFAULTS[axes.ENVIRONMENT]

    @property
    def samples_a_step(self) -> int:
        """Of all devices together."""
        in_all = self.axes[axes.SCALING] != "weak"
        return int(self.axes["batch"] * (1 if in_all else self.axes["devices"]))

    @property
    def issuing_threads(self) -> int:
        """Of all ranks, at the same time."""
        return issuing_threads(self.axes["controller"], self.axes["devices"])

    @property
    def waits_for_the_lock(self) -> bool:
        """Whether its threads take turns, since each holds the interpreter's lock while it issues."""
        controller = CONTROLLERS.get(self.axes["controller"])
        return self.holds_lock and controller is not None and controller.thread_per_device


def planned_points(points: Sequence[Point]) -> dict[str, Planned]:
    """Key -> point, in the order of the plan."""
    return {
        point.key: Planned(
            point.key,
            point.axes.named(),
            point.needs_python,
            _holds_lock(point),
            point.framework,
            _style(point),
        )
        for point in points
    }


def _holds_lock(point: Point) -> bool:
    """Records of earlier versions do not say so: theirs were modes that hold it if they need Python."""
    return point.needs_python if point.holds_lock is None else point.holds_lock


def _style(point: Point) -> str:
    """Nor did they say this, and they knew torch alone."""
    return schema.STYLE_OF_TORCH.get(point.axes.mode, "") if point.style is None else point.style
