"""What a node that nobody has measured would do, from costs that were.

In: a Fit of a run, a target (a profile, or the run's own device), and the cells to predict. Out: a table, one row
per cell, mode and controller, each with the fit's error. Must not know files, figures or the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import pandas as pd

from harness.core.emulated import Profile
from harness.costs.contention import ALONE
from harness.costs.overlap import combined_us, turns
from harness.costs.step import ModeCost
from harness.costs.target import Target
from harness.kernels import step as kernel_step
from harness.kernels.links import exposed_us
from harness.kernels.shape import ITEM_BYTES, Shape

# Where the search for the batch from which a mode is device-bound gives up.
LARGEST_BATCH = 2**30

COLUMNS: dict[str, str] = {
    "mode": "how the model is executed",
    "controller": "who issues the work: processes, threads, loop; of threads and loop one process per node",
    "workload": "forward or train",
    "dtype": "element type of parameters and activations",
    "autograd": "as in points.csv; never mixed in one cost",
    "depth": "number of Linear layers",
    "width": "width of the widest layer",
    "batch": "samples per device",
    "devices": "number of devices",
    "nodes": "nodes they are on",
    "issue_us": "host time to issue one step to one device; on synchronous devices what dispatch adds to a step",
    "device_us": "device time of one step without all-reduce; on synchronous devices the work itself",
    "allreduce_us": "all-reduce of the parameters' gradients, hidden behind backward or not; 0 under forward",
    "step_us": "predicted time of one step",
    "utilisation": "device_us / step_us",
    "feedable_devices": "device_us / issue_us: devices that one thread can keep busy",
    "throughput_samples_s": "batch x devices / step_us",
    "dispatch_bound": "yes where issuing and not the device decides on the step time",
    "bound_until_batch": "least samples per device from which on this is not so; empty if there is none up to 2^30",
    "extrapolated": "axes on which the cell lies outside what was fitted; empty where there are none",
    "median_error": "|predicted / measured - 1| of this mode's held-out cells, median",
    "p90_error": "the same, 90th percentile",
    "error_cells": "how many points that is from",
}


@dataclass(frozen=True)
class _Moment:
    """One cell in one mode under one controller, at one batch."""

    issue_us: float
    device_us: float
    exchange_us: tuple[float, float]
    times: int
    controller: str
    synchronous: bool

    @property
    def step_us(self) -> float:
        return combined_us(
            self.issue_us, self.device_us, self.times, self.controller, self.synchronous, self.exchange_us
        )

    @property
    def dispatch_bound(self) -> bool:
        if self.synchronous:  # `loop` computes in turn as well, so that turns do not favour dispatch
            return self.issue_us * (1 if self.controller == "loop" else self.times) > self.device_us
        exposed = exposed_us(*self.exchange_us, self.device_us)
        return self.issue_us * self.times > self.device_us + exposed


class Case:
    """One mode and model on one number of devices under one controller, at any batch."""

    def __init__(self, cost: ModeCost, shape: Shape, devices: int, controller: str, target: Target) -> None:
        self.cost, self.shape, self.target, self.controller = cost, shape, target, controller
        links = target.links
        in_train = cost.workload == "train" and links is not None
        bytes_ = float(shape.parameters * shape.item)
        self.exchange = links.exchange_us(bytes_, devices) if in_train and links else (0.0, 0.0)
        self.times = turns(controller, min(devices, target.per_node), cost.locked)
        self.synchronous = cost.synchronous and target.profile is None
        calls = kernel_step.launches(shape, cost.mode) * target.launch_ratio.get(
            (cost.mode, cost.workload), 1.0
        )
        # A run whose own launches were dearer by more than its whole issue time has no host time left.
        self.issue = max(cost.issue.us(shape.depth) + calls * target.launch_host_us, 1e-3)
        # Of the run's own machine; another one has other cores.
        self.slowed = cost.contention.of(controller, devices) if self.synchronous else ALONE

    def at(self, batch: int) -> _Moment:
        device = self.slowed.work * _device_us(self.cost, self.shape.at(batch), self.target.profile)
        issue = self.slowed.issue * self.issue
        return _Moment(issue, device, self.exchange, self.times, self.controller, self.synchronous)

    def bound_until(self) -> int | None:
        """The least batch that is not dispatch-bound; device time never falls with the batch, so bisect."""
        if not self.at(1).dispatch_bound:
            return 1
        if self.at(LARGEST_BATCH).dispatch_bound:
            return None
        low, high = 1, LARGEST_BATCH
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.at(middle).dispatch_bound else (low, middle)
        return high


class _ByIdentity:
    """A cost or profile as a key of the cache: they hold dictionaries, which have no hash."""

    def __init__(self, cost: ModeCost, profile: Profile | None) -> None:
        self.cost, self.profile = cost, profile
        self.key = (id(cost), id(profile))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.key == other.key


def _device_us(cost: ModeCost, shape: Shape, profile: Profile | None) -> float:
    return _cached_device_us(_ByIdentity(cost, profile), shape)


@lru_cache(maxsize=100_000)
def _cached_device_us(key: _ByIdentity, shape: Shape) -> float:
    if key.profile is None:
        return key.cost.work.us(shape)
    return kernel_step.device_us(shape, key.profile, key.cost.dtype, key.cost.mode)


def forecast(
    costs: Sequence[ModeCost],
    models: Iterable[tuple[int, ...]],
    batches: Sequence[int] | None,
    devices: Sequence[int],
    controllers: Sequence[str],
    target: Target,
) -> pd.DataFrame:
    """Rows of COLUMNS. models: layer widths. batches: None for powers of two over what was fitted, and on until
    no mode is dispatch-bound, at most 2^20. Training on several devices is left out where no links are known."""
    cases = []
    for cost, sizes, count, controller in product(costs, models, devices, controllers):
        if cost.workload == "train" and count > 1 and target.links is None:
            continue
        shape = Shape(sizes, 1, cost.workload, ITEM_BYTES.get(cost.dtype, 4))
        case = Case(cost, shape, count, controller, target)
        cases.append((case, count, case.bound_until()))
    chosen = batches or _batches(costs, [until for *_, until in cases])
    rows = [_row(case, count, until, batch) for case, count, until in cases for batch in chosen]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _batches(costs: Sequence[ModeCost], until: Sequence[int | None]) -> list[int]:
    first = min(cost.seen["per_device"][0] for cost in costs)
    last = max(cost.seen["per_device"][1] for cost in costs)
    last = max([last, *(min(each or 2**20, 2**20) for each in until)])
    found = [2**power for power in range(31) if first <= 2**power < last]
    return [*found, 2 ** (last - 1).bit_length()]


def _row(case: Case, devices: int, until: int | None, batch: int) -> dict[str, object]:
    cost, shape, moment = case.cost, case.shape.at(batch), case.at(batch)
    width = max(shape.sizes[1:-1], default=max(shape.sizes))
    places = {"depth": shape.depth}
    if case.target.profile is None:  # else the device time does not come from the fit
        places |= {"width": width, "per_device": batch}
    outside = [
        name.replace("per_device", "batch")
        for name, value in places.items()
        if not cost.seen[name][0] <= value <= cost.seen[name][1]
    ]
    # What so many of this machine's cores cost each other was not seen.
    if case.synchronous and devices > 1 and (case.controller, devices) not in cost.contention.factors:
        outside.append("devices")
    step = moment.step_us
    return {
        **{name: getattr(cost, name) for name in ("mode", "workload", "dtype", "autograd")},
        "controller": case.controller,
        "depth": shape.depth,
        "width": width,
        "batch": batch,
        "devices": devices,
        "nodes": -(-devices // case.target.per_node),
        "issue_us": moment.issue_us,
        "device_us": moment.device_us,
        "allreduce_us": moment.exchange_us[0],
        "step_us": step,
        "utilisation": moment.device_us / step,
        "feedable_devices": moment.device_us / moment.issue_us,
        "throughput_samples_s": batch * devices / step * 1e6,
        "dispatch_bound": "yes" if moment.dispatch_bound else "no",
        "bound_until_batch": until,
        "extrapolated": " ".join(outside),
        "median_error": cost.error.median,
        "p90_error": cost.error.p90,
        "error_cells": cost.error.points,
    }
