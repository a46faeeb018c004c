"""What each piece of work of a rank's devices began after, and how long after: what a replay of it goes by.

In: a rank's trace. Out: Queued, in columns. Must not know what is replayed, nor with which host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.trace.idle import Device, Idle
from harness.trace.spans import Times

NONE = -1
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Queued:
    """Work in the order of its launches, in ns. rows: of the trace. launched: whether and when; after, needs: places of
    the work before it in its stream, and of what held it back in another; NONE where there is none.

    latency, gap: how long after its launch, and after those, it could begin. prompt: the latency where nothing unusual
    was in the way of a launch."""

    rows: Times
    device: Times
    start: Times
    end: Times
    known: npt.NDArray[np.bool_]
    launched: Times
    after: Times
    needs: Times
    latency: Times
    gap: Times
    prompt: Times

    @property
    def lengths(self) -> Times:
        return self.end - self.start

    @property
    def issued(self) -> Times:
        """When each was launched; when it began, where that is not known."""
        return np.where(self.known, self.launched, self.start)


def queued(idle: Idle, devices: list[Device]) -> Queued:
    """The work of devices within their windows."""
    work = idle.trace.work
    rows = _rows(idle, devices)
    start, end, device, stream = (work[name][rows] for name in ("start", "end", "device", "stream"))
    launched = idle.launches.start[rows]
    known = launched >= 0
    after = _before_in_stream(device, stream)
    needs = _held_by(start, end, np.isin(rows, np.fromiter(idle.held, np.int64, len(idle.held))))
    latency, gap, prompt = _fit(start, known, launched, np.maximum(_ends(end, after), _ends(end, needs)))
    return Queued(rows, device, start, end, known, launched, after, needs, latency, gap, prompt)


def _rows(idle: Idle, devices: list[Device]) -> Times:
    work, launched = idle.trace.work, idle.launches.start
    wanted = np.zeros(len(work), bool)
    for device in devices:
        inside = (work["start"] >= device.start) & (work["start"] < device.end)
        wanted |= (work["device"] == device.number) & inside
    rows = np.flatnonzero(wanted)
    when = np.where(launched[rows] >= 0, launched[rows], work["start"][rows])
    return rows[np.lexsort((work["start"][rows], when))]


def _before_in_stream(device: Times, stream: Times) -> Times:
    order = np.lexsort((stream, device))  # stable: in the order of launches within each
    found = np.full(len(device), NONE, np.int64)
    same = (np.diff(device[order]) == 0) & (np.diff(stream[order]) == 0)
    found[order[1:]] = np.where(same, order[:-1], NONE)
    return found


def _held_by(start: Times, end: Times, held: npt.NDArray[np.bool_]) -> Times:
    """Of what was held back: what ended last before it began, where that was launched before it."""
    by_end = np.argsort(end, kind="stable")
    at = np.searchsorted(end[by_end], start, side="right") - 1
    found = np.where(at >= 0, by_end[np.maximum(at, 0)], NONE) if len(end) else by_end
    return np.where(held & (found < np.arange(len(end))), found, NONE)


def _ends(end: Times, places: Times) -> Times:
    return np.where(places == NONE, _NEVER, end[places]) if len(end) else end


def _fit(
    start: Times, known: npt.NDArray[np.bool_], launched: Times, before: Times
) -> tuple[Times, Times, Times]:
    """How long after a launch, or after what was before it, work began: as it was where that is what it began after, as
    it usually is elsewhere. before: when what it had to wait for had ended."""
    first = before == _NEVER
    since, own = start - launched, start - np.where(first, start, before)
    dry = known & (first | (launched >= before))
    usual = int(np.median(since[dry])) if dry.any() else 0
    # Launched so shortly before the device ran dry that it began when the launch had got through.
    by_launch = dry | (known & (since <= usual))
    by_work = ~by_launch & ~first
    next_ = int(np.median(own[by_work])) if by_work.any() else 0
    latency = np.where(by_launch, since, np.where(known, np.minimum(usual, since), 0))
    gap = np.where(by_launch, np.where(first, next_, np.minimum(next_, own)), own)
    return latency, gap, np.minimum(usual, latency)
