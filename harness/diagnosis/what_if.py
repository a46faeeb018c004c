"""What a step would take under a change that was not made: from eager's measurement and the machine's own costs.

In: Facts of a step, costs of this machine. Out: Predictions, each with an interval. Must not know torch, nor how
anything was measured.

docs/what-if.md has the formulas in words, where each constant is from, and how far they were off on models that they
had not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.core.stats.intervals import Interval
from harness.costs.overlap import combined_us
from harness.diagnosis.asked import Work

# All of these were chosen on the models that `python -m benchmarks.certificates --calibrate` lists.
# Of what an operator costs more from Python than from TorchScript, what a step saves for each call of a torch function:
# less than all, since TorchScript's costs grow with arguments too. The C++ loop saves more than it.
CALLS_SAVED: Mapping[str, float] = {"script": 0.7, "native": 0.85}
# What a step cannot fall below without its kernels becoming faster: they were timed alone, and lie some per cent apart.
LEAST_OF_KERNELS = 0.8
# In compiled code: heavy kernels on memory that is used again, generated kernels for each run of other operators, what
# is left of those operators' own work when they are fused, and of the least that one of them takes, microseconds.
HEAVY_LONGER, KERNELS_OF_GROUP, FUSED, LEAST_OPERATOR_US = 1.05, 1.65, 0.5, 0.35
# Twice the samples take at least so much of the kernels' time more on a CPU, whatever their work is; on an accelerator
# at least so much of the device's, and more where products have one row, for two of which other kernels are chosen.
LEAST_WORK = 0.15
LEAST_GROWTH, GROWTH_OF_ONE_ROW = 0.03, 0.21
# TorchScript fuses runs of element-wise operators on an accelerator; how uncertain what that saves is, beside the step.
FUSING_OFF = 0.35
# Between two kernels of a graph a device is idle for so much less, microseconds, than between two that were launched
# one by one (docs/emulator.md).
SHORTER_GAP_US = 0.5
# Half widths of a 90 % interval, relative to the prediction.
OFF: Mapping[str, float] = {
    "script": 0.11,
    "native": 0.12,
    "compile": 0.24,
    "cudagraph": 0.10,
    "processes": 0.05,
    "host x 1.3": 0.03,
    "batch x 2": 0.06,
}
_BY_A_MODE = ("script", "native", "compile", "cudagraph")
HOST_FASTER = 1.3
# Of the change's own part, how uncertain it is: what doubles with the batch.
GROWTH_OFF = 0.5


@dataclass(frozen=True)
class Facts:
    """Of one step in eager. Times in microseconds of this machine at the pace that it had meanwhile.

    whole: start to start in a loop. issue: the host's to issue it, all of it on a CPU. device: the device's, 0 on a
    CPU, where kernels are part of the host's time. python: module calls and frames. outside: what no mode of torch's
    touches (sleeping, waiting for data). functions: of torch that Python calls. kernels: the operators' own work (CPU)
    or their launches (else). asked: what they are. least_us: what the samples' own work takes at this machine's peak
    rates.
    """

    whole: Interval
    issue: float
    device: float
    python: float
    dispatch: float
    kernels: float
    outside: float
    functions: int
    launches: int
    asked: Work
    least_us: float
    synchronous: bool
    train: bool = False

    @property
    def edge(self) -> float:
        """What a step takes beyond the longer of host and device: where one waits for the other's start."""
        if self.synchronous:
            return 0.0
        return max(0.0, self.whole.estimate - max(self.issue, self.device))


@dataclass(frozen=True)
class Prediction:
    """us: of one step with a 90 % interval; instead_of_us: what it is held against, eager's step where that is not said
    otherwise. mode: by which it can be verified; "" where it cannot be, on this machine."""

    change: str
    us: Interval
    instead_of_us: float
    mode: str = ""
    note: str = ""

    @property
    def times_as_fast(self) -> float:
        return self.instead_of_us / self.us.estimate


@dataclass(frozen=True)
class Refusal:
    """A change that nothing is predicted of, and why."""

    change: str
    why: str


Cost = Callable[[str], float]


class _Lacking(Exception):
    """A cost that this machine's passport does not have; says why."""


def predictions(
    facts: Facts, costs: Mapping[str, float], missing: Mapping[str, str], *, devices: int = 8
) -> tuple[list[Prediction], list[Refusal]]:
    """costs: of the passport, microseconds; missing: of it, why others are not there. devices: of the node that one
    process a device is predicted for."""

    def cost(name: str) -> float:
        if name not in costs:
            raise _Lacking(missing.get(name, f"the passport has no {name}"))
        return costs[name]

    made: list[Prediction] = []
    refused: list[Refusal] = []
    for change, predict in _changes(facts, devices).items():
        if facts.train and change in _BY_A_MODE:
            refused.append(
                Refusal(change, "the step records for backward, which is no part of what a mode changes")
            )
            continue
        try:
            made.append(predict(cost))
        except _Lacking as lacking:
            refused.append(Refusal(change, str(lacking)))
    return made, refused


def _changes(facts: Facts, devices: int) -> dict[str, Callable[[Cost], Prediction]]:
    changes = dict(_of_modes(facts))
    if not facts.synchronous:
        changes["processes"] = lambda cost: _processes(facts, devices)
    changes["host x 1.3"] = lambda cost: _faster_host(facts)
    changes["batch x 2"] = lambda cost: _doubled(facts)
    return changes


def _of_modes(facts: Facts) -> Iterator[tuple[str, Callable[[Cost], Prediction]]]:
    yield "script", lambda cost: _in_script(facts, cost, "script")
    yield "native", lambda cost: _in_script(facts, cost, "native")
    if facts.synchronous:
        yield "compile", lambda cost: _in_mode(facts, "compile", _compiled(facts, cost))
    else:
        yield "cudagraph", lambda cost: _captured(facts, cost)


def _in_script(facts: Facts, cost: Cost, mode: str) -> Prediction:
    issue = _scripted(facts, cost, mode)
    if facts.synchronous or not facts.launches:
        return _in_mode(facts, mode, issue)
    fewer = min(facts.asked.fused / facts.launches, 1.0)
    in_call = cost(f"{mode}_call")
    issue = (issue - in_call) * (1 - fewer) + in_call
    us = _stepped(facts, issue, facts.device * (1 - fewer)) + facts.outside
    off = math.hypot(OFF[mode], FUSING_OFF * fewer)
    return Prediction(mode, _interval(facts, us, off), facts.whole.estimate, mode)


def _scripted(facts: Facts, cost: Cost, mode: str = "script") -> float:
    """The host's time: without frames and module calls, each operation called by TorchScript's interpreter."""
    saved = max(cost("operator") - cost("script_operator"), 0.0)
    left = facts.issue - facts.outside - facts.python - CALLS_SAVED[mode] * saved * facts.functions
    return max(left, LEAST_OF_KERNELS * facts.kernels) + cost(f"{mode}_call")


def _compiled(facts: Facts, cost: Cost) -> float:
    """On a CPU: heavy operations as they are, called by generated code; the others fused."""
    if facts.asked.cells:
        raise _Lacking("inductor takes cells of recurrent networks apart: what becomes of them is not known")
    called = facts.dispatch / max(facts.asked.operators, 1) + cost("compiled_library")
    light = max(facts.kernels - facts.asked.heavy_us, 0.0)
    least = min((facts.asked.operators - facts.asked.heavy) * LEAST_OPERATOR_US, light)
    return (
        cost("compiled_call")
        + HEAVY_LONGER * facts.asked.heavy_us
        + facts.asked.heavy * max(called, 0.0)
        + facts.asked.groups * KERNELS_OF_GROUP * cost("compiled_kernel")
        + FUSED * (light - least)
    )


def _captured(facts: Facts, cost: Cost) -> Prediction:
    """On an accelerator: one launch, which the next step's follows while the device works."""
    device = max(facts.device - facts.launches * SHORTER_GAP_US, 0.0)
    us = max(cost("graph_launch"), device) + facts.outside
    return Prediction("cudagraph", _interval(facts, us, OFF["cudagraph"]), facts.whole.estimate, "cudagraph")


def _in_mode(facts: Facts, mode: str, issue_us: float) -> Prediction:
    us = _stepped(facts, issue_us) + facts.outside
    return Prediction(mode, _interval(facts, us, OFF[mode]), facts.whole.estimate, mode)


def _stepped(facts: Facts, issue_us: float, device_us: float | None = None) -> float:
    """A step of so much issue: the sweep's own rule of how host and device overlap (harness.costs.overlap)."""
    device = facts.device if device_us is None else device_us
    return combined_us(issue_us, device, 1, "processes", facts.synchronous) + facts.edge


def _processes(facts: Facts, devices: int) -> Prediction:
    """Beside one thread that issues to all of them in turn."""
    in_turn = combined_us(facts.issue, facts.device, devices, "loop", facts.synchronous) + facts.edge
    note = f"{devices} devices, a process for each, beside one thread that issues to all of them"
    us = _interval(facts, facts.whole.estimate, OFF["processes"])
    return Prediction("processes", us, max(in_turn, facts.whole.estimate), note=note)


def _faster_host(facts: Facts) -> Prediction:
    inside = facts.issue - facts.outside
    us = _stepped(facts, inside / HOST_FASTER) + facts.outside
    return Prediction("host x 1.3", _interval(facts, us, OFF["host x 1.3"]), facts.whole.estimate)


def _doubled(facts: Facts) -> Prediction:
    """On a CPU between the least that the samples' own work takes and all of the kernels' time: their geometric mean.
    A device that is not filled takes hardly longer for twice the samples."""
    if facts.synchronous:
        kernels = max(facts.kernels, 0.0)
        growth = math.sqrt(max(min(facts.least_us, kernels), LEAST_WORK * kernels) * kernels)
        us = facts.whole.estimate + growth
    else:
        least = LEAST_GROWTH + GROWTH_OF_ONE_ROW * facts.asked.one_row / max(facts.asked.heavy, 1)
        us = _stepped(facts, facts.issue, facts.device + max(facts.least_us, least * facts.device))
    grown = us - facts.whole.estimate
    off = math.hypot(OFF["batch x 2"], GROWTH_OFF * max(grown, 0.0) / us)
    return Prediction(
        "batch x 2",
        _interval(facts, us, off),
        2 * facts.whole.estimate,
        "eager",
        "beside two steps of the batch as it is",
    )


def _interval(facts: Facts, us: float, off: float) -> Interval:
    own = facts.whole.relative_half_width
    off = math.hypot(off, own if math.isfinite(own) else 0.0)
    return Interval(us, us / (1 + off), us * (1 + off))
