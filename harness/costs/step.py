"""What a step costs, per mode: a model fitted on measured cells, never without the error it makes on others.

In: a table of points (columns of schema.COLUMNS). Out: a Fit: a ModeCost per mode, workload, number format,
autograd and threads, and its error on cells it was not fitted on. Must not know torch, figures or the command line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from harness.core import axes
from harness.core.stats.intervals import FEWEST_FOR_INTERVAL, median_interval
from harness.costs.contention import NO_CONTENTION, Contention, fit_contention
from harness.costs.curve import FIXED, LAYER, Curve, fit_curve
from harness.costs.overlap import combined_us, turns
from harness.costs.usable import (
    GROUP,
    SYNCHRONOUS,
    halves,
    refusal,
    shapes_of,
    split_up,
    undivided,
    usable,
)
from harness.kernels.shape import Shape


@dataclass(frozen=True)
class Line:
    """Host time to issue one step to one device: fixed_us + depth x layer_us."""

    fixed_us: float
    layer_us: float

    def us(self, depth: float) -> float:
        return self.fixed_us + depth * self.layer_us

    def many(self, depths: Iterable[float]) -> list[float]:
        return [self.us(float(depth)) for depth in depths]


@dataclass(frozen=True)
class Error:
    """|predicted / measured - 1| of step times that the fit had not seen: median, 90th percentile, their number; and
    the 95 % interval of the median over them, NaN where they are too few for one."""

    median: float
    p90: float
    points: int
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class ModeCost:
    """What a step costs in one mode. synchronous: host and device are the same core, so issue and work add up.
    locked: threads issue in turn. seen: axis -> least and largest value that was fitted. contention: what devices
    that share the machine's cores cost each other; nothing on asynchronous devices."""

    mode: str
    workload: str
    dtype: str
    autograd: str
    device_kind: str
    threads: int
    issue: Line
    work: Curve
    synchronous: bool
    locked: bool
    seen: dict[str, tuple[int, int]]
    error: Error
    contention: Contention = NO_CONTENTION

    def issue_us(self, shape: Shape, devices: int = 1, controller: str = "processes") -> float:
        """Host time until every device of one issuing process has its step."""
        slowed = self.contention.of(controller, devices)
        return slowed.issue * self.issue.us(shape.depth) * turns(controller, devices, self.locked)

    def step_us(self, shape: Shape, devices: int = 1, controller: str = "processes") -> float:
        """Without collectives; devices: those of one node."""
        slowed = self.contention.of(controller, devices)
        issue, work = slowed.issue * self.issue.us(shape.depth), slowed.work * self.work.us(shape)
        return combined_us(issue, work, turns(controller, devices, self.locked), controller, self.synchronous)

    def predicted_us(self, rows: pd.DataFrame) -> list[float]:
        """Step times of measured points, as step_us gives them; the work of all at once."""
        work = self.work.many(shapes_of(rows)).tolist()
        issue = self.issue.many(rows["depth"])
        slowed = [
            self.contention.of(str(controller), int(devices))
            for controller, devices in zip(rows["controller"], rows["devices"], strict=True)
        ]
        each = zip(issue, work, slowed, rows["turns"], rows["controller"], strict=True)
        return [
            combined_us(i * by.issue, w * by.work, times, controller, self.synchronous)
            for i, w, by, times, controller in each
        ]


@dataclass(frozen=True)
class Fit:
    """costs: one per group that could be fitted. held_out: a row per point with `measured_us` and `predicted_us` by the
    half it was not in. refused: why the other groups were not fitted, a sentence each."""

    costs: list[ModeCost]
    held_out: pd.DataFrame
    refused: list[str]

    @property
    def error(self) -> Error:
        return error_of(self.held_out)


def of_cost(workload: str, dtype: str, autograd: str) -> list[str]:
    """What a cost is of beside its mode, in words: an axis that came later only where it is not at its default."""
    return [workload, dtype, *([] if autograd == axes.DEFAULTS[axes.AUTOGRAD] else [f"autograd {autograd}"])]


def error_of(held_out: pd.DataFrame) -> Error:
    if held_out.empty:
        return Error(float("nan"), float("nan"), 0)
    off = (held_out["predicted_us"] / held_out["measured_us"] - 1).abs()
    ends = (float("nan"), float("nan"))
    if len(off) >= FEWEST_FOR_INTERVAL:
        interval = median_interval(off.tolist())
        ends = (interval.low, interval.high)
    return Error(float(off.median()), float(off.quantile(0.9)), len(off), *ends)


def fit(points: pd.DataFrame) -> Fit:
    """Fit every group of a run's points."""
    costs, tests, refused = [], [], []
    table = usable(points)
    for key, rows in table.groupby(list(GROUP), sort=False):
        good = rows[~rows["crowded"]]
        if reason := refusal(rows, good):
            mode, *of = (str(name) for name in key[:4])
            refused.append(f"{mode} ({', '.join(of_cost(*of))}): not fitted: {reason}.")
            continue
        good = split_up(good)
        tested = _held_out(good)
        costs.append(_fitted(good, error_of(tested)))
        tests.append(tested)
    together = pd.concat(tests, ignore_index=True) if tests else table.head(0)
    return Fit(costs, together, refused)


def fittable(points: pd.DataFrame) -> bool:
    """Whether there is any group that fit() would not refuse."""
    groups = usable(points).groupby(list(GROUP), sort=False)
    return any(not refusal(rows, rows[~rows["crowded"]]) for _, rows in groups)


def _held_out(rows: pd.DataFrame) -> pd.DataFrame:
    """Every row predicted by the half of the cells that it is not in."""
    half = halves(rows)
    parts = []
    for own in (0, 1):
        cost = _fitted(rows[half != own], Error(float("nan"), float("nan"), 0))
        part = rows[half == own]
        predicted = cost.predicted_us(part)
        parts.append(part.assign(measured_us=part["step_us"], predicted_us=predicted))
    return pd.concat(parts)


def _fitted(rows: pd.DataFrame, error: Error) -> ModeCost:
    base = undivided(rows)
    first = rows.iloc[0]
    synchronous = first["device_kind"] == SYNCHRONOUS
    issue, work = _synchronous(base) if synchronous else _asynchronous(base)
    return ModeCost(
        mode=str(first["mode"]),
        workload=str(first["workload"]),
        dtype=str(first["dtype"]),
        autograd=str(first["autograd"]),
        device_kind=str(first["device_kind"]),
        threads=int(first["threads"]),
        issue=issue,
        work=work,
        synchronous=synchronous,
        locked=bool(first["locked"]),
        seen={
            name: (int(rows[name].min()), int(rows[name].max())) for name in ("depth", "width", "per_device")
        },
        error=error,
        contention=fit_contention(rows, issue.many(rows["depth"]), work.many(shapes_of(rows)))
        if synchronous
        else NO_CONTENTION,
    )


def _synchronous(rows: pd.DataFrame) -> tuple[Line, Curve]:
    """Dispatch is what a step and a layer cost whatever the batch; the rest is work."""
    times = rows["step_us"].to_numpy(dtype=float) / rows["turns"].to_numpy(dtype=float)
    curve = fit_curve(shapes_of(rows), times, layer_adds=True)
    return _line(curve), curve.without(FIXED, LAYER)


def _asynchronous(rows: pd.DataFrame) -> tuple[Line, Curve]:
    work = fit_curve(shapes_of(rows), rows["device_us"].to_numpy(dtype=float), layer_adds=False)
    free = rows[~rows["pushed_back"]]
    issued = free if len(free) >= 2 else rows
    times = issued["issue_us"].to_numpy(dtype=float) / issued["turns"].to_numpy(dtype=float)
    return _line(fit_curve(shapes_of(issued), times, layer_adds=True, only=(FIXED, LAYER))), work


def _line(curve: Curve) -> Line:
    return Line(curve.coefficients.get(FIXED, 0.0), curve.coefficients.get(LAYER, 0.0))
