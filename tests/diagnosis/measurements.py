"""Made-up measurements of a step: what a diagnosis concludes is tested without measuring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.core.stats.intervals import Interval
from harness.diagnosis.asked import Work
from harness.diagnosis.host.found import Look, Spot, Wait
from harness.diagnosis.measurement import Measurement
from harness.diagnosis.parts.ladder import Ladder, Part
from harness.diagnosis.what_if import Facts

CPU_PARTS = {
    "modules": 30.0,
    "frames": 40.0,
    "dispatcher": 20.0,
    "allocator": 5.0,
    "kernels": 10.0,
}
# Microseconds of one, as a passport of an ordinary machine has them.
COSTS = {
    "operator": 1.5,
    "script_operator": 0.8,
    "script_call": 5.0,
    "native_call": 1.0,
    "compiled_call": 8.0,
    "compiled_kernel": 0.5,
    "compiled_library": -0.5,
    "graph_launch": 6.0,
}


WORK = Work(
    operators=10,
    heavy=4,
    heavy_us=6.0,
    groups=4,
    fused=0,
    cells=0,
    one_row=0,
    flop=1e6,
    bytes_moved=1e4,
)


def about(us: float, off: float = 0.02) -> Interval:
    return Interval(
        us, us * (1 - off) if us >= 0 else us * (1 + off), us * (1 + off) if us >= 0 else us * (1 - off)
    )


def ladder(parts: dict[str, float], unexplained: float = 0.0, off: float = 0.02) -> Ladder:
    whole = sum(parts.values()) + unexplained
    return Ladder(
        whole=about(whole, off),
        parts=tuple(Part(name, about(us, off)) for name, us in parts.items()),
        unexplained=about(unexplained, off),
        left_out={},
        modules=8,
        functions=8,
        operators=10,
        interpreter_alone=None,
    )


def seen(**given: Any) -> Look:
    look = Look(step_us=100.0, own=(), data=(), dataset=(), waits=(), steps=50)
    return replace(look, **given)


def spot(share: float, line: int = 7) -> Spot:
    return Spot("train.py", line, "step", share, 100 * share)


def wait(us: float, line: int = 9, times: float = 8) -> Wait:
    return Wait("train.py", line, ".item()", times, us)


def measured(**given: Any) -> Measurement:
    """A step on a CPU, bound by the interpreter."""
    plain = Measurement(
        whole=about(105.0),
        issue=None,
        device=None,
        launches=None,
        ladder=ladder(CPU_PARTS),
        layer=("Linear", ladder({"modules": 1.0, "frames": 1.0, "kernels": 1.0})),
        look=seen(),
        work=Work(
            operators=10,
            heavy=4,
            heavy_us=6.0,
            groups=4,
            fused=0,
            cells=0,
            one_row=0,
            flop=1e6,
            bytes_moved=1e4,
        ),
        pace=1.0,
        synchronous=True,
    )
    return replace(plain, **given)


def beside_device(issue: float, device: float, /, **given: Any) -> Measurement:
    """A step on an accelerator. Parts of the host's: 30 % modules, 20 frames, 20 dispatcher, 30 launches."""
    parts = {
        "modules": 0.3,
        "frames": 0.2,
        "dispatcher": 0.2,
        "autograd": 0.0,
        "allocator": 0.0,
        "launches": 0.3,
    }
    return measured(
        **{
            "whole": about(max(issue, device)),
            "issue": about(issue),
            "device": about(device),
            "launches": 10,
            "ladder": ladder({name: share * issue for name, share in parts.items()}),
            "synchronous": False,
            **given,
        }
    )


def facts(**given: Any) -> Facts:
    """Of a step on a CPU, as measured() has it."""
    plain = Facts(
        whole=about(105.0),
        issue=105.0,
        device=0.0,
        python=70.0,
        dispatch=25.0,
        kernels=10.0,
        outside=0.0,
        functions=8,
        launches=0,
        asked=WORK,
        least_us=0.5,
        synchronous=True,
    )
    return replace(plain, **given)
