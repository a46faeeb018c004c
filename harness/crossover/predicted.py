"""Where the interpreter would stop mattering on devices that were not measured: by the cost model and their profiles.

In: an analysed run, profiles. Out: crossovers of eager's dispatch share, marked as predicted, with the error of model
and profile. Must not know files, figures or the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from harness.analysis.families import family_of
from harness.analysis.run import Run
from harness.core import axes
from harness.core.emulated import Profile, load_profile
from harness.core.schema import OK, REFERENCE_MODE
from harness.costs.forecast import Case
from harness.costs.step import ModeCost, fit
from harness.costs.target import Target, target_of
from harness.costs.usable import SYNCHRONOUS
from harness.crossover.values import DEFAULT_THRESHOLD, SHARE, At, Crossover
from harness.crossover.words import deepest, said
from harness.kernels.shape import ITEM_BYTES, Shape
from harness.kernels.step import model_error

# Set beside each other, oldest first.
PROFILES = ("v100x8", "a100x8", "h100x8", "h200x8")
# What is asked about: beyond it a batch does not fit.
LARGEST_BATCH = 2**20
# Depths between the least and the most that were fitted; beyond them nothing is said.
DEPTHS = 9
MOST_WIDTHS, MOST_DEPTHS = 3, 16
# What a CPU run's issue time was off beside an emulated device's (docs/cost-model.md, "When to distrust it").
CPU_ISSUE_ERROR = 0.19
MODEL = "eager's host time as fitted in this run, device time by the profile's kernel times"


def profiles() -> list[Profile]:
    """Those of PROFILES, in their order. Raises EmulatorError, OSError where one is not there."""
    return [load_profile(name) for name in PROFILES]


def predicted_crossovers(
    run: Run, of: Sequence[Profile], thresholds: Sequence[float] = (DEFAULT_THRESHOLD,)
) -> list[Crossover]:
    """For each profile, workload, number format and width of a run: on one device, one process issuing. Empty where no
    cost of eager can be fitted, or one depth alone was measured."""
    eager = run.points[(run.points["mode"] == REFERENCE_MODE) & (run.points["status"] == OK)]
    if eager.empty:
        return []
    costs = [cost for cost in fit(eager).costs if cost.seen["depth"][0] < cost.seen["depth"][1]]
    widths, measured = _widths(eager), _depths(eager)
    found = []
    for profile in of:
        target = target_of(run, profile)
        for cost, width in product(costs, widths):
            found += _crossovers(cost, width, target, profile, thresholds, measured)
    return found


def _widths(rows: pd.DataFrame) -> list[int]:
    """Of uniform models; the least, the most and one between where there are many."""
    named = zip(rows["model"], rows["depth"], rows["width"], strict=True)
    known = {
        int(width)
        for model, depth, width in named
        if not pd.isna(depth)
        and not pd.isna(width)
        and width >= 1
        and "x*" in family_of(str(model), int(depth))
    }
    widths = sorted(known)
    if len(widths) <= MOST_WIDTHS:
        return widths
    return [widths[round(place)] for place in np.linspace(0, len(widths) - 1, MOST_WIDTHS)]


def _depths(rows: pd.DataFrame) -> set[int]:
    """At most MOST_DEPTHS, both ends among them."""
    depths = sorted({int(depth) for depth in rows["depth"].dropna() if depth >= 1})
    if len(depths) <= MOST_DEPTHS:
        return set(depths)
    return {depths[round(place)] for place in np.linspace(0, len(depths) - 1, MOST_DEPTHS)}


def _crossovers(
    cost: ModeCost,
    width: int,
    target: Target,
    profile: Profile,
    thresholds: Sequence[float],
    measured: set[int],
) -> list[Crossover]:
    """For each threshold one. measured: the depths of the run; those that the cost was fitted on count."""
    low, high = cost.seen["depth"]
    seen = {depth for depth in measured if low <= depth <= high}
    depths = sorted({round(depth) for depth in np.geomspace(low, high, DEPTHS)} | seen)
    lines = (_Line(cost, width, depth, target, profile) for depth in depths)
    contours = list(zip(*(_ats(line, thresholds, line.depth in seen) for line in lines), strict=True))
    of = {
        "run": "",
        "device_kind": "predicted",
        "device_name": target.name,
        "family": f"mlp-{width}x*",
        "width": width,
        "devices": 1,
        "controller": "processes",
        "workload": cost.workload,
        "dtype": cost.dtype,
        axes.AUTOGRAD: cost.autograd,
        axes.ENVIRONMENT: axes.DEFAULTS[axes.ENVIRONMENT],
    }
    notes, head = _notes(cost, profile), f"Predicted for {target.name}, not measured: "
    made = []
    for threshold, contour in zip(thresholds, contours, strict=True):
        text = head + said(SHARE, threshold, deepest(contour), predicted=True)
        made.append(Crossover(SHARE, threshold, of, contour, (), MODEL, text, predicted=True, notes=notes))
    return made


@dataclass(frozen=True)
class _Line:
    """One model on one device of a target, at any batch."""

    cost: ModeCost
    width: int
    depth: int
    target: Target
    profile: Profile

    def shape(self, batch: int) -> Shape:
        sizes = (self.width,) * (self.depth + 1)
        return Shape(sizes, batch, self.cost.workload, ITEM_BYTES.get(self.cost.dtype, 4))

    def case(self) -> Case:
        return Case(self.cost, self.shape(1), 1, "processes", self.target)

    def error(self, batch: float) -> tuple[float, float]:
        """Factors on device time over host time, low and high: the profile's error and the host's, as independent."""
        whole = int(min(max(batch, 1), LARGEST_BATCH))
        device = model_error(self.shape(whole), self.profile, self.cost.dtype)
        host = [math.log1p(self.cost.error.p90)]
        host += [math.log1p(CPU_ISSUE_ERROR)] if self.cost.device_kind == SYNCHRONOUS else []
        low, high = (math.hypot(math.log(end), *host) for end in device)
        return math.exp(-low), math.exp(high)


def _ats(line: _Line, thresholds: Sequence[float], measured: bool) -> list[At]:
    """For each threshold one."""
    case = line.case()

    @cache
    def device_us(batch: int) -> float:
        return case.at(batch).device_us

    def least(threshold: float, factor: float) -> float:
        """The batch from which on the device is busy for all but the threshold, if it takes `factor` as long."""
        return _first(lambda batch: device_us(batch) * factor >= (1 - threshold) * case.issue)

    made = []
    for threshold in thresholds:
        batch = least(threshold, 1.0)
        low, high = line.error(batch)
        known = math.isfinite(low + high)
        ends = (least(threshold, high), least(threshold, low)) if known else (0.0, math.inf)
        made.append(At(float(line.depth), batch, *ends, 1.0, float(LARGEST_BATCH), measured))
    return made


def _first(holds: Callable[[int], bool]) -> float:
    """The least batch at which it holds, from which on it does; 0 and infinite as in values.At."""
    if holds(1):
        return 0.0
    if not holds(LARGEST_BATCH):
        return math.inf
    low, high = 1, LARGEST_BATCH
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return float(high)


def _notes(cost: ModeCost, profile: Profile) -> tuple[str, ...]:
    name = profile.name.removeprefix("Emulated ")
    error = cost.error
    within = f"{100 * error.p90:.0f} % (90th percentile)"
    host = f"Host time: fitted to eager of this run, whose steps it predicts within {within}"
    if cost.device_kind == SYNCHRONOUS:
        host += f", and {100 * CPU_ISSUE_ERROR:.0f} % more for what a CPU run lacks of the path to a device"
    own = list(profile.errors.values())
    unseen = bool(own) and not any(each.shapes for each in own)
    kernels = f"Kernel times of {name}: " + (
        f"nobody has published any; another device's constants and errors stand for them{_donor(profile)}"
        if unseen
        else "fitted to published measurements, with their error on shapes that were held out"
    )
    return (f"{host}.", f"{kernels}.")


def _donor(profile: Profile) -> str:
    """Whose constants they are, of the profiles that have measurements of their own."""
    measured = (each for each in profiles() if any(error.shapes for error in each.errors.values()))
    found = [each.name.removeprefix("Emulated ") for each in measured if each.kernels == profile.kernels]
    return f" ({found[0]})" if found else ""


def of_run(found: Sequence[Crossover], run: str) -> list[Crossover]:
    """The same, with the label of their run."""
    return [replace(each, of={**each.of, "run": run}) for each in found]
