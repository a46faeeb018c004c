"""Measure a passport: all costs in turn, in one run of interleaved rounds.

In: an open device. Out: a Passport. Must not know where it is kept.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Collection, Mapping, Sequence

import torch

from harness.core.cpu import cpu_name, usable_cores
from harness.core.emulated import profile_digest
from harness.core.stats.intervals import Interval, median_interval
from harness.devices.device import Device
from harness.machine.environment import frequency_governor
from harness.machine.others import Others
from harness.passport import accelerator, compiled, host
from harness.passport.document import Cost, Fact, Passport, now
from harness.passport.loops import Bench, Formula, Unavailable
from harness.passport.rates import rates
from harness.timing.interleaved import BLOCK_NS, rounds

# Each measures something for itself, or for those that follow it.
COSTS: dict[str, Callable[[Bench], Formula]] = {
    "python_call": host.python_call,
    "module_call": host.module_call,
    "operator": host.operator,
    "autograd": host.autograd,
    "allocation": host.allocation,
    "script_call": host.script_call,
    "script_operator": host.script_operator,
    "native_call": host.native_call,
    "guard_check": compiled.guard_check,
    "compiled_kernel": compiled.compiled_kernel,
    "compiled_call": compiled.compiled_call,
    "compiled_library": compiled.compiled_library,
    "launch": accelerator.launch,
    "graph_launch": accelerator.graph_launch,
    "kernel_floor": accelerator.kernel_floor,
}
# What the others are measured by: a loop's own cost, and the null.
ALWAYS = ("python_call", "operator")
# Some 60 rounds of all costs on a slow core; after that intervals hardly shrink.
SECONDS = 8.0
# Of that, how much further for rates: a copy or product takes some ten milliseconds.
SHARE_OF_RATES = 0.2


def measured(
    device: Device,
    *,
    seconds: float = SECONDS,
    block_ns: float = BLOCK_NS,
    only: Collection[str] | None = None,
) -> Passport:
    """Measure on this device and its host. only: names of COSTS, beside ALWAYS; None for all.

    What cannot be had here is in `missing`; compilers come first, and are not among the seconds.
    """
    device.prepare_thread()
    bench, formulas, missing = Bench(device, block_ns), {}, {}
    for name, make in COSTS.items():
        if only is not None and name not in (*ALWAYS, *only):
            continue
        try:
            formulas[name] = make(bench)
        except Unavailable as error:
            missing[name] = str(error)
        # Whatever a compiler or a driver raises: what it says is the reason, and all else can be measured.
        except Exception as error:
            said = " ".join(str(error).split())
            missing[name] = f"{type(error).__name__}: {said}"[:300]
    others = Others()
    taken = rounds(bench.measures, seconds=seconds)
    found, more = _rates(device, block_ns, seconds * SHARE_OF_RATES)
    device.free_cached_memory()  # of the rates' tensors: whoever has the device open goes on with it
    costs: dict[str, Cost] = {}
    for name, formula in formulas.items():
        if (cost := _cost(taken, formula)) is None:
            missing[name] = "too few of its rounds have a value"
        else:
            costs[name] = cost
    return Passport(
        machine_of(device), costs, found, _noise_floor(taken), others.share(), {**missing, **more}, now()
    )


def machine_of(device: Device) -> dict[str, Fact]:
    """What a passport depends on. profile: of an emulated device, by its content."""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "governor": frequency_governor(),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "device_kind": device.kind,
        "device": device.name,
        "profile": profile_digest() if device.kind == "emulated" else None,
    }


def _each_round(taken: Mapping[str, Sequence[float]], formula: Formula) -> list[float]:
    count = len(next(iter(taken.values())))
    values = (formula({name: each[index] for name, each in taken.items()}) for index in range(count))
    return [value for value in values if math.isfinite(value)]


def _cost(taken: Mapping[str, Sequence[float]], formula: Formula) -> Cost | None:
    """By the differences within rounds, so that what slows a whole round does not count twice."""
    values = _each_round(taken, formula)
    return Cost.of(median_interval(values)) if len(values) > 1 else None


def _noise_floor(taken: Mapping[str, Sequence[float]]) -> float:
    """The largest relative difference of a thing from itself that its interval allows."""
    ratio = median_interval(_each_round(taken, lambda each: each["operator_again"] / each["operator"]))
    return math.expm1(max(abs(math.log(ratio.low)), abs(math.log(ratio.high))))


def _rates(device: Device, block_ns: float, seconds: float) -> tuple[dict[str, Cost], dict[str, str]]:
    bench = Bench(device, block_ns)
    try:
        work = rates(bench)
        taken = rounds(bench.measures, seconds=seconds)
    except RuntimeError as error:  # of memory, mostly
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        return {}, dict.fromkeys(("memory_gb_s", "matmul_gflop_s"), said)
    return {name: Cost.of(_rate(median_interval(taken[name]), units)) for name, units in work.items()}, {}


def _rate(time_ns: Interval, units: float) -> Interval:
    """Units in a nanosecond, which are 1e9 in a second."""
    return Interval(units / time_ns.estimate, units / time_ns.high, units / time_ns.low)
