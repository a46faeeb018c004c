"""Samples joined to points: what each device did while its point was held in a steady state.

In: samplings, and windows as ranks wrote them. Out: utilisation, power, energy and throttling of each point, or why
there is none. Must not know the points' table, torch or NVML. Devices are found by host and UUID, samples by time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.analysis.sampled.samples import (
    NOT_SAMPLED,
    Floats,
    Numbers,
    SampledDevice,
    Sampling,
    same_device,
)
from harness.records.raw import is_number

# Clocks that were lowered in fewer of a window's samples hardly show in its mean.
THROTTLED_SHARE = 0.1

# Reasons that lower no clock below what was asked for: nothing to do, and clocks set by the user.
_HARMLESS = ("idle", "applications_clocks")

NAN = float("nan")


@dataclass(frozen=True)
class Rank:
    """Where a rank of a session ran, and the devices it drove as it names them."""

    host: str
    pid: str
    devices: tuple[Any, ...]

    @staticmethod
    def of(session: dict[str, Any]) -> Rank:
        """From a session's first record; runs of earlier versions name neither host nor devices."""
        host, devices = session.get("host"), session.get("devices")
        return Rank(
            host if isinstance(host, str) else "",
            str(session.get("pid", "")),
            tuple(device for device in devices if device) if isinstance(devices, list) else (),
        )


@dataclass(frozen=True)
class Window:
    """For so long a rank held a point in a steady state, with so many steps on each of its devices."""

    rank: Rank
    start_ns: int
    end_ns: int
    steps: int


@dataclass(frozen=True)
class Held:
    """A point in its window: means over its devices, NaN where they are not known of all of them.

    joules_a_step: of all devices together. integrated: whether power was integrated for it, since some device has
    no energy counter. throttled: reasons. why: why no device's samples could be used; empty where they were.
    """

    util_pct: float = NAN
    sm_active_pct: float = NAN
    power_w: float = NAN
    joules_a_step: float = NAN
    integrated: bool = False
    throttled: frozenset[str] = frozenset()
    why: str = ""


@dataclass
class _Track:
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


class Join:
    """Finds samples by host, device and time. ranks: all of the run; their processes are no strangers."""

    def __init__(self, samplings: Sequence[Sampling], ranks: Sequence[Rank]) -> None:
        self._samplings = samplings
        self._pids: dict[str, frozenset[str]] = {}
        for rank in ranks:
            self._pids[rank.host] = self._pids.get(rank.host, frozenset()) | {rank.pid}
        self._known: dict[tuple[int, str], _Track | None] = {}

    def shared(self, ranks: Sequence[Rank], start_ns: int, end_ns: int) -> bool:
        """Whether another process used one of the ranks' devices before or within that time."""
        return any(
            track.shared(start_ns, end_ns)
            for rank in ranks
            for sampling in self._at(rank.host, start_ns, end_ns)
            for identity in rank.devices
            if (track := self._track(sampling, identity, rank.host))
        )

    def held(self, windows: Sequence[Window]) -> Held | None:
        """A point from the windows of all its ranks; None where it had none, or no devices."""
        read: list[tuple[Floats, bool, frozenset[str]]] = []
        for window in windows:
            for identity in window.rank.devices:
                track = self._only(window, identity)
                if isinstance(track, str):
                    return Held(why=track)
                read.append(_read(track, window))
        if not read:
            return None
        numbers = np.array([each[0] for each in read])
        util, active, power = numbers[:, :3].mean(axis=0).tolist()
        return Held(
            util,
            active,
            power,
            float(numbers[:, 3].sum()),
            any(integrated for _, integrated, _ in read),
            frozenset().union(*(reasons for *_, reasons in read)),
        )

    def _only(self, window: Window, identity: Any) -> _Track | str:
        """The one track that saw the window, or why there is none.

        After a host was booted anew its clock starts again, and what two samplers saw at one time cannot be told
        apart: then neither counts.
        """
        host = window.rank.host
        if not any(sampling.host == host for sampling in self._samplings):
            return f"no sampler ran on host {host}"
        there = self._at(host, window.start_ns, window.end_ns)
        tracks = [track for sampling in there if (track := self._track(sampling, identity, host))]
        if len(tracks) == 1:
            return tracks[0]
        if tracks:
            return f"two samplers on host {host} have samples of that time"
        if not there:
            return f"the sampler on host {host} has no samples of that time"
        if all(sampling.why for sampling in there):
            return there[0].why
        name = identity.get("uuid") or identity.get("pci") if isinstance(identity, dict) else identity
        return f"device {name} is not among those sampled on host {host}"

    def _at(self, host: str, start_ns: int, end_ns: int) -> list[Sampling]:
        return [
            sampling
            for sampling in self._samplings
            if sampling.host == host
            and len(sampling.t_ns)
            and sampling.t_ns[0] < end_ns
            and sampling.t_ns[-1] > start_ns
        ]

    def _track(self, sampling: Sampling, identity: Any, host: str) -> _Track | None:
        place = (id(sampling), repr(identity))
        if place not in self._known:
            same = (at for at, device in enumerate(sampling.devices) if same_device(device, identity))
            column = next(same, None)
            ours = self._pids.get(host, frozenset())
            self._known[place] = None if column is None else _Track(sampling, column, ours)
        return self._known[place]


def _read(track: _Track, window: Window) -> tuple[Floats, bool, frozenset[str]]:
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
    held_s = (window.end_ns - window.start_ns) / 1e9
    numbers = (
        _mean(util),
        _mean(active[1:]),  # each covers the time since the one before it
        joules / seconds if seconds else _mean(power),
        joules * held_s / (seconds * window.steps) if seconds else NAN,
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


def sampler_core_share(sampling: Sampling) -> float:
    """CPU time of the sampler over its life; NaN where it did not say so."""
    cpu, wall = (sampling.end or {}).get("cpu_s"), (sampling.end or {}).get("wall_s")
    if not (is_number(cpu) and is_number(wall)) or float(wall) <= 0:  # type: ignore[arg-type]
        return NAN
    return float(cpu) / float(wall)  # type: ignore[arg-type]
