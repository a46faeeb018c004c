"""Rules that leave points out: `{depth: 64, batch: ">=1024"}`.

In: rules as the configuration has them, and a value on every axis. Out: whether a point is left out. Must not know how
points are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.core import axes
from harness.core.errors import ConfigError
from harness.plan.allowed.checks import one_of
from harness.plan.allowed.nearest import nearest
from harness.plan.allowed.words import words_of
from harness.plan.points import Point

# Axes that a rule may name.
EXCLUDABLE = (*axes.COUNTS, axes.MODE, *axes.CELL_NAMES, axes.ENVIRONMENT)


_ALONE: dict[str, Sequence[str]] = {axes.ENVIRONMENT: (axes.DEFAULTS[axes.ENVIRONMENT],)}


def check_exclude(rules: Sequence[dict[str, Any]], words: Mapping[str, Sequence[str]] = _ALONE) -> None:
    """words: of axes whose values the sweep's environments decide. Raises ConfigError for the first rule that cannot be
    read."""
    example = "rules such as {depth: 64, width: [512,4096]} or {batch: '>=1024'} over " + ", ".join(
        EXCLUDABLE
    )
    for number, rule in enumerate(rules):
        key = f"exclude[{number}]"
        if not rule:
            raise ConfigError(key, "{}", example + " (an empty rule would exclude everything)")
        for axis, wanted in rule.items():
            if axis not in EXCLUDABLE:
                near = nearest(str(axis), EXCLUDABLE)
                raise ConfigError(
                    f"{key}.{axis}", wanted, example + (f" (the nearest: {near})" if near else "")
                )
            try:
                matches(wanted, "" if axis in axes.NAMES else 1)
            except (TypeError, ValueError):
                raise ConfigError(f"{key}.{axis}", wanted, example) from None
            for name in wanted if isinstance(wanted, (list, tuple)) else [wanted]:
                if axis in axes.NAMES:
                    one_of(f"{key}.{axis}", name, words[axis] if axis in words else words_of(axis))


def is_excluded(rule: dict[str, Any], point: Point) -> bool:
    # Of a training step the axis says nothing: a rule on it must not leave training out.
    if axes.AUTOGRAD in rule and point.workload != "forward":
        return False
    # Nor of a model without such a size.
    sizes = {axis: getattr(point, axis) for axis in rule}
    return all(size is not None and matches(rule[axis], size) for axis, size in sizes.items())


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
