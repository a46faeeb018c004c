"""Which part of a step each cause has.

In: a Measurement. Out: shares of the step, each with an interval. Must not know torch, nor what is concluded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.stats.intervals import Interval
from harness.diagnosis.measurement import Measurement
from harness.diagnosis.parts.ladder import Ladder

INTERPRETER, DISPATCH, LAUNCHES, DEVICE = "interpreter", "dispatch", "launches", "device"
DATA, SYNCHRONISATION, OWN, UNEXPLAINED = "data", "synchronisation", "own", "unexplained"

# Parts of the ladder, by cause.
PARTS: Mapping[str, tuple[str, ...]] = {
    INTERPRETER: ("modules", "frames"),
    DISPATCH: ("dispatcher", "autograd", "allocator"),
    LAUNCHES: ("launches", "caches"),
    DEVICE: ("kernels", "caches"),
}
NOTHING = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Shares:
    """of: cause -> share of the step's time, from 0 to 1. host_bound: whether the host's time decides how long a step
    takes; None where it and the device's are too near to each other to be told apart. of_host: of the host's time to
    issue a step beside an accelerator; empty on a CPU, where the step is all the host's."""

    of: Mapping[str, Interval]
    host_bound: bool | None
    of_host: Mapping[str, Interval] = field(default_factory=dict)


def shares_of(measured: Measurement) -> Shares:
    """On a CPU of the step itself; beside an accelerator the device's share is what it works of the step, and the
    host's parts share what is left of it."""
    outside = {
        DATA: _constant(measured.look.data_share),
        OWN: _constant(measured.look.own_share),
    }
    if not measured.synchronous:
        return _beside_device(measured, outside)
    if measured.ladder is None:
        return Shares(outside, None)
    return Shares(_of_whole(measured.ladder, outside), True)


def _of_whole(ladder: Ladder, outside: Mapping[str, Interval]) -> dict[str, Interval]:
    whole = ladder.whole.estimate
    of = {cause: _sum(ladder, names).times(1 / whole) for cause, names in PARTS.items() if cause != LAUNCHES}
    # Sleeping and loading are in the frames that wait for them.
    beside = sum(share.estimate for share in outside.values())
    of[INTERPRETER] = _less(of[INTERPRETER], beside)
    return {**of, **outside, UNEXPLAINED: ladder.unexplained.times(1 / whole)}


def _beside_device(measured: Measurement, outside: Mapping[str, Interval]) -> Shares:
    whole, ladder = measured.whole.estimate, measured.ladder
    waiting = _waiting(measured)
    of_host = {
        cause: _sum(ladder, names).times(1 / ladder.whole.estimate) if ladder else NOTHING
        for cause, names in PARTS.items()
        if cause != DEVICE
    }
    beside = sum(share.estimate for share in outside.values())
    device = measured.device.times(1 / whole) if measured.device else NOTHING
    if waiting.estimate:
        # What the host waited for, the device did: what of it could have been done meanwhile is lost.
        device = _constant(max(device.estimate, waiting.estimate))
    busy = min(device.estimate, 1.0)
    left = max(1.0 - busy - beside - _lost(waiting), 0.0)
    of = {cause: share.times(left) for cause, share in of_host.items()}
    of |= {DEVICE: device, SYNCHRONISATION: _constant(_lost(waiting)), **outside}
    return Shares(of, _host_bound(measured), of_host)


def _lost(waiting: Interval) -> float:
    """Host and device could have worked at once for the shorter of both."""
    return min(waiting.estimate, 1 - waiting.estimate) if waiting.estimate else 0.0


def _host_bound(measured: Measurement) -> bool | None:
    issue = measured.issue or (measured.ladder.whole if measured.ladder else None)
    if measured.device is None or issue is None:
        return True if measured.ladder else None
    if issue.low > measured.device.high:
        return True
    return False if issue.high < measured.device.low else None


def _waiting(measured: Measurement) -> Interval:
    """Of the step, that the host waits for the device within it."""
    return _constant(measured.look.wait_share)


def _sum(ladder: Ladder, names: tuple[str, ...]) -> Interval:
    parts = [part.us for part in ladder.parts if part.name in names]
    return Interval(*(sum(getattr(part, end) for part in parts) for end in ("estimate", "low", "high")))


def _less(share: Interval, beside: float) -> Interval:
    return Interval(*(max(end - beside, 0.0) for end in (share.estimate, share.low, share.high)))


def _constant(value: float) -> Interval:
    return Interval(value, value, value)
