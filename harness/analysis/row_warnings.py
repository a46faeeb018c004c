"""What a point's row must warn of, as its own rounds and samples show.

In: one point's rounds, and what its ranks said of it. Out: warnings. Must not know the points' table: what shows only
beside other points is relations'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.collect import MeasuredCell
from harness.analysis.planned import Planned
from harness.analysis.rounds import Series, median
from harness.core import schema, warnings
from harness.core.numbers import is_number, whole_number
from harness.core.warnings import PointWarning

# A rank whose main thread had a core for less than this share of its timed blocks, on a CPU, where the
# thread does all the work and never waits for a device, was waiting for a core.
MAIN_THREAD_SHARE = 0.9

# Under `train` a thread also waits for other ranks, so that its share of a core says little. There a rank whose core
# is another's as well loses it at every message: some 4,300 times a second were seen where two ranks were bound to one
# core, 800 to 2,100 where each had a core of its own and shared it with the helper threads of its collectives.
MOST_PREEMPTIONS_S = 3000.0

# Where one half of a burst takes so many times as long as the other, its steps waited for room in the launch
# queue: in the second half if the queue was full by then, in the first if it was full and empty again.
BACK_PRESSURE = 1.5

# How far device_us may be from the replay of a CUDA graph of the same step.
REPLAY_AGREES = 0.05


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
        short = any(each.stop != schema.COMPLETE for each in cells)
        yield warnings.CAPPED if short else warnings.NOISY
    if _is_oversubscribed(cell, own, planned, cores):
        yield warnings.OVERSUBSCRIBED
    growth = median(own["growth"])
    if growth > BACK_PRESSURE or growth < 1 / BACK_PRESSURE:  # neither where it is not known
        yield warnings.BACK_PRESSURE
    prepared = [p for each in cells for p in each.prepared.get(planned.key, [])]
    if any(_differs(p.get("held_ns"), p.get("replay_ns")) for p in prepared):
        yield warnings.REPLAY_DIFFERS
    if cell.session["device_kind"] == "emulated":
        yield warnings.EMULATED


def _is_wide(cell: MeasuredCell, width: Width) -> bool:
    """Whether there is an interval, and it is wider than was asked for."""
    target = cell.session.get("rel_width_step" if width.of_step else "rel_width")
    return is_number(target) and width.relative > float(target)


def _is_oversubscribed(cell: MeasuredCell, own: Series, planned: Planned, cores: int | None) -> bool:
    threads = whole_number(cell.session.get("threads")) or 1
    if cores is not None and planned.issuing_threads * threads > cores * planned.axes["nodes"]:
        return True
    if planned.axes["workload"] != "forward":
        return median(own["preemptions_s"]) > MOST_PREEMPTIONS_S
    return (
        cell.session["device_kind"] == "cpu"
        # Waiting for the interpreter's lock is no sign of too few cores.
        and not planned.waits_for_the_lock
        and median(own["main_share"]) < MAIN_THREAD_SHARE
    )


def _differs(held_ns: Any, replay_ns: Any) -> bool:
    """Whether two ways to the same device time disagree."""
    if not (is_number(held_ns) and is_number(replay_ns)):
        return False
    return abs(float(held_ns) - float(replay_ns)) > REPLAY_AGREES * float(replay_ns)
