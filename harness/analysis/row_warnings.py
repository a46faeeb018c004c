"""What a point's row must warn of, as its own rounds and samples show.

In: one point's rounds, and what its ranks said of it. Out: warnings. Must not know the points' table: what shows only
beside other points is relations'.
"""

from __future__ import annotations

from collections.abc import Iterator
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

# Where one half of a burst takes so many times as long as the other, its steps waited for room in the launch
# queue: in the second half if the queue was full by then, in the first if it was full and empty again.
BACK_PRESSURE = 1.5

# How far device_us may be from the replay of a CUDA graph of the same step.
REPLAY_AGREES = 0.05


def row_warnings(
    cell: MeasuredCell, own: Series, planned: Planned, cores: int | None, width: float
) -> Iterator[PointWarning]:
    """width: of the point's interval, relative. cores: of the node; None where it is not known."""
    stopped = _stopped(cell, width)
    if stopped:
        yield stopped
    if _is_oversubscribed(cell, own, planned, cores):
        yield warnings.OVERSUBSCRIBED
    growth = median(own["growth"])
    if growth > BACK_PRESSURE or growth < 1 / BACK_PRESSURE:  # neither where it is not known
        yield warnings.BACK_PRESSURE
    prepared = cell.prepared.get(planned.key, [])
    if any(_differs(p.get("held_ns"), p.get("replay_ns")) for p in prepared):
        yield warnings.REPLAY_DIFFERS
    if cell.session["device_kind"] == "emulated":
        yield warnings.EMULATED


def _stopped(cell: MeasuredCell, width: float) -> PointWarning | None:
    """The cell's stop reason marks those of its modes whose own interval is still wider than asked for."""
    target = cell.session.get("rel_width")
    if is_number(target) and width <= float(target or 0):
        return None
    # An unfinished cell's session was ended before its last visit: a limit of time as well.
    capped, noisy = warnings.CAPPED, warnings.NOISY
    return {schema.NOISY: noisy, schema.CAPPED: capped, schema.UNFINISHED: capped}.get(cell.stop)


def _is_oversubscribed(cell: MeasuredCell, own: Series, planned: Planned, cores: int | None) -> bool:
    threads = whole_number(cell.session.get("threads")) or 1
    if cores is not None and planned.issuing_threads * threads > cores * planned.axes["nodes"]:
        return True
    return (
        cell.session["device_kind"] == "cpu"
        and planned.axes["workload"] == "forward"
        # Waiting for the interpreter's lock is no sign of too few cores.
        and not planned.waits_for_the_lock
        and median(own["main_share"]) < MAIN_THREAD_SHARE
    )


def _differs(held_ns: Any, replay_ns: Any) -> bool:
    """Whether two ways to the same device time disagree."""
    if not (is_number(held_ns) and is_number(replay_ns)):
        return False
    return abs(float(held_ns) - float(replay_ns)) > REPLAY_AGREES * float(replay_ns)
