"""What a point's row must warn of, as its own rounds and samples show.

In: one point's rounds, and what its ranks said of it. Out: warnings. Must not know the points' table: what shows only
beside other points is relations'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.collected.collect import MeasuredCell
from harness.analysis.collected.rounds import Series, median
from harness.analysis.planned import Planned
from harness.core import schema, warnings
from harness.core.warnings import PointWarning

# A rank whose main thread had a core for less than this share of its timed blocks, on a CPU, where the
# thread does all the work and never waits for a device, was waiting for a core. Frameworks other than torch (JAX,
# MXNet) compute on threads of their own, for which the main one waits: of them it is the process that had a core.
MAIN_THREAD_SHARE = 0.9

# Under `train` a thread also waits for other ranks, so that its share of a core says little. There a rank whose core
# is another's as well loses it at every message: some 4,300 times a second were seen where two ranks were bound to one
# core, 800 to 2,100 where each had a core of its own and shared it with the helper threads of its collectives.
MOST_PREEMPTIONS_S = 3000.0

# Where one half of a burst takes so many times as long as the other, its steps waited for room in the launch
# queue: in the second half if the queue was full by then, in the first if it was full and empty again.
BACK_PRESSURE = 1.5

# How far device_us may be from the replay of a CUDA graph of the same step, beside the gaps between its kernels: in a
# stream a device leaves 1 us from one kernel to the next that was queued, in a graph less (docs/kernel-times.md).
REPLAY_AGREES = 0.05
GAP_NS = 1000.0


@dataclass(frozen=True)
class Width:
    """Half of the interval by which a point is quoted, over its estimate; NaN without one. of_step: whether it is that
    of the step time, and not of the speed-up."""

    relative: float
    of_step: bool


def row_warnings(
    cells: Sequence[MeasuredCell], own: Series, planned: Planned, cores: int | None, width: Width
) -> Iterator[PointWarning]:
    """cells: its measurements, one a session. own: the rounds of all. cores: of the node; None where it is not
    known."""
    cell = cells[0]
    if _is_wide(cell, width):
        # Not where a signal was what ended it: no limit has come there.
        short = any(each.stop == schema.CAPPED for each in cells)
        yield warnings.CAPPED if short else warnings.NOISY
    if _is_oversubscribed(cell, own, planned, cores):
        yield warnings.OVERSUBSCRIBED
    growth = median(own["growth"])
    if growth > BACK_PRESSURE or growth < 1 / BACK_PRESSURE:  # neither where it is not known
        yield warnings.BACK_PRESSURE
    prepared = [p for each in cells for p in each.prepared.get(planned.key, [])]
    if any(_differs(p.held_ns, p.replay_ns, p.launches) for p in prepared):
        yield warnings.REPLAY_DIFFERS
    if any(each.turns > 1 for each in cells):
        yield warnings.BY_TURNS
    if cell.session.device_kind == "emulated":
        yield warnings.EMULATED


def _is_wide(cell: MeasuredCell, width: Width) -> bool:
    """Whether there is an interval, and it is wider than was asked for."""
    target = cell.session.rel_width_step if width.of_step else cell.session.rel_width
    return target is not None and width.relative > target


def _is_oversubscribed(cell: MeasuredCell, own: Series, planned: Planned, cores: int | None) -> bool:
    threads = cell.session.threads or 1
    if cores is not None and planned.issuing_threads * threads > cores * planned.axes["nodes"]:
        return True
    if planned.axes["workload"] != "forward":
        return median(own["preemptions_s"]) > MOST_PREEMPTIONS_S
    who = "main_share" if planned.framework == schema.TORCH else "cpu_share"
    return (
        cell.session.device_kind == "cpu"
        # Waiting for the interpreter's lock is no sign of too few cores.
        and not planned.waits_for_the_lock
        and median(own[who]) < MAIN_THREAD_SHARE
    )


def _differs(held_ns: float | None, replay_ns: float | None, launches: int | None) -> bool:
    """Whether two ways to the same device time disagree."""
    if held_ns is None or replay_ns is None:
        return False
    gaps = GAP_NS * (launches or 0)
    return held_ns < (1 - REPLAY_AGREES) * replay_ns or held_ns > (1 + REPLAY_AGREES) * replay_ns + gaps
