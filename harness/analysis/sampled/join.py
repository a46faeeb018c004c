"""Samples joined to points: what each device did while its point was held in a steady state.

In: samplings, and windows as ranks wrote them. Out: utilisation, power, energy and throttling of each point, or why
there is none. Must not know the points' table, torch or NVML. Devices are found by host and UUID, samples by time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.sampled.samples import Floats, Sampling, same_device
from harness.analysis.sampled.track import Track, read
from harness.analysis.sampled.window import Rank, Steady, Window
from harness.records.kinds import Identity


class Join:
    """Finds samples by host, device and time. ranks: all of the run; their processes are no strangers."""

    def __init__(self, samplings: Sequence[Sampling], ranks: Sequence[Rank]) -> None:
        self._samplings = samplings
        self._pids: dict[str, frozenset[str]] = {}
        for rank in ranks:
            self._pids[rank.host] = self._pids.get(rank.host, frozenset()) | {rank.pid}
        self._known: dict[tuple[int, str], Track | None] = {}

    def shared(self, ranks: Sequence[Rank], start_ns: int, end_ns: int) -> bool:
        """Whether another process used one of the ranks' devices before or within that time."""
        return any(
            track.shared(start_ns, end_ns)
            for rank in ranks
            for sampling in self._at(rank.host, start_ns, end_ns)
            for identity in rank.devices
            if (track := self._track(sampling, identity, rank.host))
        )

    def steady(self, windows: Sequence[Window]) -> Steady | None:
        """A point from the windows of all its ranks; None where it had none, or no devices."""
        found: list[tuple[Floats, bool, frozenset[str]]] = []
        for window in windows:
            for identity in window.rank.devices:
                track = self._only(window, identity)
                if isinstance(track, str):
                    return Steady(why=track)
                found.append(read(track, window))
        if not found:
            return None
        numbers = np.array([each[0] for each in found])
        util, active, power = numbers[:, :3].mean(axis=0).tolist()
        return Steady(
            util,
            active,
            power,
            float(numbers[:, 3].sum()),
            any(integrated for _, integrated, _ in found),
            frozenset().union(*(reasons for *_, reasons in found)),
        )

    def _only(self, window: Window, identity: Identity) -> Track | str:
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
        return f"device {identity.uuid or identity.pci} is not among those sampled on host {host}"

    def _at(self, host: str, start_ns: int, end_ns: int) -> list[Sampling]:
        return [
            sampling
            for sampling in self._samplings
            if sampling.host == host
            and len(sampling.t_ns)
            and sampling.t_ns[0] < end_ns
            and sampling.t_ns[-1] > start_ns
        ]

    def _track(self, sampling: Sampling, identity: Identity, host: str) -> Track | None:
        place = (id(sampling), repr(identity))
        if place not in self._known:
            same = (at for at, device in enumerate(sampling.devices) if same_device(device, identity))
            column = next(same, None)
            ours = self._pids.get(host, frozenset())
            self._known[place] = None if column is None else Track(sampling, column, ours)
        return self._known[place]
