"""From a checked configuration to a plan: every combination of values that no rule leaves out.

In: a Config and the Inventory of the machine. Out: a Plan. Must not know torch, nor how a session is started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from typing import Any

from harness.core import axes
from harness.core.errors import ConfigError
from harness.plan.config import Config
from harness.plan.exclude import is_excluded
from harness.plan.inventory import Inventory
from harness.plan.points import Plan, Point, group
from harness.plan.supported import check_presence, unsupported_reason


def make_plan(config: Config, inventory: Inventory) -> Plan:
    """Lay out the sweep for this machine.

    Raises ConfigError where the combination of values, or of values and machine, is refused.
    """
    points = tuple(points_of(config))
    if not points:
        raise ConfigError("exclude", config.exclude, "rules that leave at least one point")
    check_presence(config, inventory)
    unsupported = {
        point.key: reason for point in points if (reason := unsupported_reason(point, config, inventory))
    }
    return Plan(points, group([p for p in points if p.key not in unsupported]), unsupported)


def points_of(config: Config) -> Iterator[Point]:
    for sizes, batch, devices, controller, workload, dtype in product(
        _models(config),
        _once(config.batch),
        _once(config.devices),
        _once(config.controller),
        _once(config.workload),
        _once(config.dtype),
    ):
        for autograd, mode in product(_autograds(config, workload), _once(config.mode)):
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
                autograd=autograd,
            )
            if any(is_excluded(rule, point) for rule in config.exclude):
                continue
            if config.scaling == "strong" and batch % devices:
                raise ConfigError(
                    "batch",
                    batch,
                    f"under scaling=strong a multiple of every device count; it does not divide by {devices} "
                    "(an exclude rule can leave the pair out)",
                )
            yield point


def _autograds(config: Config, workload: str) -> list[str]:
    """A training step always records: it is one point, not one for each value."""
    return _once(config.autograd) if workload == "forward" else [axes.DEFAULTS[axes.AUTOGRAD]]


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


def _once(values: list[Any]) -> list[Any]:
    """Each value once, in order: a value given twice is one point, not two."""
    return list(dict.fromkeys(values))
