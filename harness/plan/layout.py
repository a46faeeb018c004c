"""From a checked configuration to a plan: every combination of values that no rule leaves out.

In: a Config and the Inventory of the machine. Out: a Plan. Must not know torch, nor how a session is started.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from harness.core import axes
from harness.core.errors import ConfigError
from harness.environments.document import HERE
from harness.plan.allowed.environments import environments_of
from harness.plan.allowed.modes import modes_in
from harness.plan.config import Config
from harness.plan.exclude import is_excluded
from harness.plan.inventory import Inventory
from harness.plan.models import models_of, once
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
    frameworks = {each.name: each.framework for each in environments_of(config) if each.name != HERE.name}
    sessions = group([p for p in points if p.key not in unsupported])
    return Plan(points, sessions, unsupported, frameworks)


def points_of(config: Config) -> Iterator[Point]:
    modes = [(each.name, mode) for each in environments_of(config) for mode in modes_in(config.mode, each)]
    for model, batch, devices, controller, workload, dtype in product(
        models_of(config),
        once(config.batch),
        once(config.devices),
        once(config.controller),
        once(config.workload),
        once(config.dtype),
    ):
        for autograd, (environment, mode) in product(_autograds(config, workload), modes):
            point = Point(
                model=model.name,
                sizes=model.sizes,
                depth=model.depth,
                width=model.width,
                batch=batch,
                devices=devices,
                controller=controller,
                workload=workload,
                dtype=dtype,
                mode=mode,
                scaling=config.scaling,
                autograd=autograd,
                environment=environment,
                recipe=model.recipe,
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
    return once(config.autograd) if workload == "forward" else [axes.DEFAULTS[axes.AUTOGRAD]]
