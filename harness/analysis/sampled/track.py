"""One device in one sampling: what it did between two times, and whether it was alone.

In: a Sampling and the column of a device. Out: means, energy, reasons for lowered clocks. Must not know points or
ranks, nor how a device was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.analysis.sampled.samples import NOT_SAMPLED, Floats, Numbers, SampledDevice, Sampling
from harness.analysis.sampled.window import NAN, Window

# Clocks that were lowered in fewer of a window's samples hardly show in its mean.
THROTTLED_SHARE = 0.1

# Reasons that lower no clock below what was asked for: nothing to do, and clocks set by the user.
_HARMLESS = ("idle", "applications_clocks")


@dataclass
class Track:
    """One device in one sampling."""

    sampling: Sampling
    column: int
    ours: frozenset[str]

    @property
    def device(self) -> SampledDevice:
        return self.sampling.devices[self.column]

    def between(self, start_ns: int, end_ns: int) -> slice:
        first = np.searchsorted(self.sampling.t_ns, start_ns, "left")
        return slice(int(first), int(np.searchsorted(self.sampling.t_ns, end_ns, "right")))

    def numbers(self, name: str, part: slice) -> tuple[Floats, Floats]:
        """Seconds and values, of those samples that have one."""
        values = self.sampling.values[name][part, self.column]
        known = ~np.isnan(values)
        return self.sampling.t_ns[part][known] / 1e9, values[known]

    @cached_property
    def strangers(self) -> Numbers:
        """For each sample, how many up to it have found another's process there. What is not sampled every time
        holds until it is sampled again."""
        sets = [*self.sampling.sets, self.device.others]  # the last stands for what was found at the start
        codes = self.sampling.others[:, self.column]
        at = np.maximum.accumulate(np.where(codes == NOT_SAMPLED, -1, np.arange(len(codes))))
        last = np.where(at < 0, len(sets) - 1, codes[at])
        return np.cumsum(np.array([bool(found - self.ours) for found in sets])[last])

    def shared(self, start_ns: int, end_ns: int) -> bool:
        """Whether another's process was there in that time, or when it was last looked for before it."""
        part = self.between(start_ns, end_ns)
        if not len(self.sampling.t_ns) or part.stop == 0:
            return bool(self.device.others - self.ours)
        before = max(part.start - 1, 0)  # still there when the time began
        seen = self.strangers
        return bool(seen[part.stop - 1] > (seen[before - 1] if before else 0))

    def throttled(self, part: slice) -> Iterator[str]:
        codes = self.sampling.throttle[part, self.column]
        codes = codes[codes != NOT_SAMPLED]
        counts: dict[str, int] = {}
        for code, number in zip(*np.unique(codes, return_counts=True), strict=True):
            for reason in self.sampling.sets[code]:
                counts[reason] = counts.get(reason, 0) + int(number)
        for reason, number in counts.items():
            if number >= THROTTLED_SHARE * len(codes) and not any(word in reason for word in _HARMLESS):
                yield reason


def read(track: Track, window: Window) -> tuple[Floats, bool, frozenset[str]]:
    """Utilisation, SM activity, power and energy a step of one device; whether power was integrated; throttling.

    What is read is the mean of some time before: within the first of it, that reaches back before the window.
    """
    whole = track.between(window.start_ns, window.end_ns)
    later = track.between(window.start_ns + track.device.period_ns, window.end_ns)
    # The value of the last period that was over when it was read: that began up to two periods before.
    settled = track.between(window.start_ns + 2 * track.device.period_ns, window.end_ns)
    util, active = track.numbers("util", settled)[1], track.numbers("sm_active", whole)[1]
    _, power = track.numbers("power_w", later)
    joules, seconds = _counted(*track.numbers("energy_j", whole))
    integrated = seconds == 0
    if integrated:
        joules, seconds = _integral(*track.numbers("power_w", later))
    window_s = (window.end_ns - window.start_ns) / 1e9
    numbers = (
        _mean(util),
        _mean(active[1:]),  # each covers the time since the one before it
        joules / seconds if seconds else _mean(power),
        joules * window_s / (seconds * window.steps) if seconds else NAN,
    )
    return np.array(numbers), integrated and seconds > 0, frozenset(track.throttled(later))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else NAN


def _counted(seconds: Floats, joules: Floats) -> tuple[float, float]:
    """Energy by the counter and the time it was counted for; 0 s where it cannot be told."""
    if len(joules) < 2:
        return NAN, 0.0
    steps = np.diff(joules)
    if (steps < 0).any() or not (steps > 0).any():  # began anew, or stands still: not a counter
        return NAN, 0.0
    first, last = 0, len(joules) - 1
    changes = np.flatnonzero(steps) + 1
    if len(changes) < len(steps) and len(changes) >= 3:
        # A counter that moves less often than it is sampled: from one change to another both ends are known.
        first, last = int(changes[0]), int(changes[-1])
    return float(joules[last] - joules[first]), float(seconds[last] - seconds[first])


def _integral(seconds: Floats, watts: Floats) -> tuple[float, float]:
    """Power integrated over its samples, and over how long; 0 s where there are fewer than two."""
    if len(watts) < 2:
        return NAN, 0.0
    joules = ((watts[1:] + watts[:-1]) / 2 * np.diff(seconds)).sum()  # trapezoids
    return float(joules), float(seconds[-1] - seconds[0])
