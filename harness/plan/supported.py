"""What cannot be measured on this machine, and why.

In: a Point and the Inventory. Out: a reason, or none. Must not know torch; whether a mode can run is the mode's word.
"""

from __future__ import annotations

from harness.core import axes
from harness.core.controllers import CONTROLLERS
from harness.core.errors import ConfigError
from harness.core.schema import TORCH
from harness.environments.document import HERE, Environment
from harness.environments.frameworks import framework_of
from harness.modes import get_mode
from harness.plan.allowed.environments import environments_of, is_driven
from harness.plan.allowed.modes import lacking
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Point

MOST_RANKS_A_CORE = 64


def check_presence(config: Config, inventory: Inventory) -> None:
    # What a job has not been given becomes rows: the same sweep may be submitted with fewer nodes.
    if inventory.kind != "cpu" and inventory.explicit and not inventory.allocated:
        advice = (
            "the devices of the emulated node (emulator.devices=N)"
            if inventory.kind == "emulated"
            else "the CUDA devices present (device=auto makes rows `unsupported` of the rest)"
        )
        for devices in config.devices:
            if devices > inventory.count:
                raise ConfigError("devices", devices, f"1 to {inventory.count}, {advice}{inventory.aside}")
    if inventory.kind == "cpu" and not inventory.allocated:
        # More than a few to a core show what oversubscription does; thousands only fill the memory.
        most = MOST_RANKS_A_CORE * inventory.cores
        for devices in config.devices:
            if devices > most:
                allowed = (
                    f"1 to {most} here: on a CPU each is a process, and this node has {inventory.cores} cores"
                )
                raise ConfigError("devices", devices, allowed)


def unsupported_reason(point: Point, config: Config, inventory: Inventory) -> str | None:
    if point.workload == "train" and point.sizes and point.sizes[-1] < 2 and not point.recipe.loss:
        return f"train needs two outputs at least, this model has {point.sizes[-1]}: of one class the loss is always 0"
    controller = CONTROLLERS[point.controller]
    if inventory.allocated and (reason := _not_allocated(point, inventory)):
        return reason
    if inventory.kind == "cuda" and not inventory.allocated and point.devices > inventory.count:
        return f"{point.devices} devices asked for, {inventory.count} present{inventory.aside}"
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
    environments = environments_of(config)
    if is_driven(environments):
        environment = next(each for each in environments if each.name == point.environment)
        if reason := _not_driven(point, inventory) or _lacks(point, environment, inventory):
            return reason
    # What another environment lacks, its driver says: this one's version of Python or torch is no measure.
    is_here = point.environment == HERE.name
    return _unsupported_by_mode(point, inventory) if is_here or not is_driven(environments) else None


def _not_driven(point: Point, inventory: Inventory) -> str | None:
    """What a driver, by which all environments of a sweep are measured, does not do."""
    what = "where environments are swept"
    if point.devices != 1:
        return f"{what}, each is measured on one device, not on {point.devices}"
    if point.controller != "processes":
        return f"{what}, each has a process of its own (controller=processes)"
    if inventory.kind == "emulated":
        return f"an emulated device computes nothing, so that {what} no outputs could be compared"
    if not point.sizes:
        return f"{what}, the model is an MLP (model=mlp)"
    if point.recipe.loss or point.recipe.optimizer:
        return f"{what}, an MLP is trained by cross entropy and SGD"
    return None


def _lacks(point: Point, environment: Environment, inventory: Inventory) -> str | None:
    """What an environment's framework does not do, or is not measured doing."""
    if reason := lacking(point.mode, environment):
        return reason
    framework = framework_of(environment.framework)
    if framework.name == TORCH:
        return None
    way = framework.way(point.mode)
    if point.workload == "train" and way is not None and not way.trains:
        return f"{framework.title} makes no training step by {point.mode} ({way.call})"
    if inventory.kind != "cpu":
        return f"{framework.title} is measured on a CPU (device=cpu)"
    if point.autograd != axes.DEFAULTS[axes.AUTOGRAD]:
        return f"autograd={point.autograd} is torch's: {framework.title} has autograd={axes.DEFAULTS[axes.AUTOGRAD]}"
    return None


def _unsupported_by_mode(point: Point, inventory: Inventory) -> str | None:
    mode = get_mode(point.mode)
    try:
        reason = mode.unsupported(workload=point.workload, dtype=point.dtype, device_kind=inventory.kind)
        if not reason and point.workload == "forward":
            reason = mode.unsupported_autograd(point.autograd)
    except Exception as error:  # a plugin's: the other modes are measured all the same
        return f"mode {point.mode} fails when asked whether it can run: {type(error).__name__}: {error}"
    return str(reason) if reason else None


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
