"""The points of a run as its launcher wrote them down.

In: records of launcher.jsonl. Out: a Planned for each point. Must not know what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import axes, schema
from harness.core.controllers import CONTROLLERS, issuing_threads
from harness.core.numbers import is_number


@dataclass(frozen=True)
class Planned:
    """axes: name (of axes.RECORDED) -> value. needs_python, holds_lock: of the point's mode, as it said itself."""

    key: str
    axes: dict[str, Any]
    needs_python: bool
    holds_lock: bool

    @property
    def is_reference(self) -> bool:
        """Whether the others of its cell are compared with it."""
        return bool(self.axes[axes.MODE] == schema.REFERENCE_MODE)

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


def planned_points(launcher: Sequence[dict[str, Any]]) -> dict[str, Planned]:
    """Key -> point, in the order of the plan. A point that lacks an axis is left out."""
    return {
        r["key"]: Planned(r["key"], place, r["needs_python"], _holds_lock(r))
        for r in launcher
        if r["type"] == "point" and _is_complete(place := _axes(r["axes"]))
    }


def _holds_lock(record: dict[str, Any]) -> bool:
    """Records of earlier versions do not say so: theirs were modes that hold it if they need Python."""
    said = record.get("holds_lock")
    return said if isinstance(said, bool) else bool(record["needs_python"])


def _axes(recorded: dict[str, Any]) -> dict[str, Any]:
    """The axes alone: whatever else stands there must not get into the table. Records from before an axis came
    lack it."""
    before = {**axes.DEFAULTS, **recorded}
    return {name: before.get(name) for name in axes.RECORDED}


def _is_complete(recorded: dict[str, Any]) -> bool:
    return all(
        type(recorded.get(name)) is int and recorded[name] > 0 and is_number(recorded[name])
        if name in schema.INTEGER_COLUMNS
        else isinstance(recorded.get(name), str)
        for name in axes.RECORDED
    )
