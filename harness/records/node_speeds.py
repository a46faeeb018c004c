"""Which nodes of a run are slower than the others, by points that were measured on several of them.

In: a run directory. Out: a Speed for each node. Must not know how the nodes came to have the points.

Two kinds of points are on several nodes: those of sessions that span them, of which only `forward` can be compared,
since in `train` all ranks wait for the slowest; and the reference cell, which every shard measures.
"""

from __future__ import annotations

import statistics
from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.stats.intervals import over_sessions
from harness.records.kinds import Round, Session
from harness.records.raw import RawFiles, read_launcher

# A node that takes so much longer than the quickest is named.
SLOWER_BY = 0.05


@dataclass(frozen=True)
class Speed:
    """How many times as long as on the quickest node steps took on this one: median over the points it shares with
    others. sure: whether the intervals of the step times lie apart in most of them."""

    node: str
    ratio: float
    points: int
    sure: bool

    @property
    def slower(self) -> bool:
        return self.ratio > 1 + SLOWER_BY

    @property
    def sentence(self) -> str:
        doubt = "" if self.sure else ", though within the noise of these measurements"
        return (
            f"Node {self.node} is {(self.ratio - 1) * 100:.0f} % slower than the quickest node, "
            f"by {self.points} points measured on both{doubt}."
        )


def node_speeds(directory: Path) -> list[Speed]:
    """One for each node that shares a point with another, in the order of their names."""
    times = _times(directory)
    shares: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for of_nodes in times.values():
        if len(of_nodes) < 2:
            continue
        intervals = {node: over_sessions(values).interval() for node, values in of_nodes.items()}
        quickest = min(intervals.values(), key=lambda interval: interval.estimate)
        for node, interval in intervals.items():
            # Of one session there is no interval, and so no certainty.
            shares[node].append((interval.estimate / quickest.estimate, interval.low > quickest.high))
    return [
        Speed(
            node,
            statistics.median(ratio for ratio, _ in pairs),
            len(pairs),
            sum(apart for _, apart in pairs) * 2 > len(pairs),
        )
        for node, pairs in sorted(shares.items())
    ]


class _Slowest:
    """Step times of one point in one session on one node: of each round its slowest rank's."""

    def __init__(self) -> None:
        self._rounds, self._steps_ns = array("q"), array("d")

    def take(self, number: int, step_ns: float) -> None:
        self._rounds.append(number)
        self._steps_ns.append(step_ns)

    def median_ns(self) -> float:
        """Over rounds."""
        _, places = np.unique(np.frombuffer(self._rounds, np.int64), return_inverse=True)
        slowest = np.zeros(places.max() + 1)
        np.maximum.at(slowest, places, np.frombuffer(self._steps_ns, np.float64))
        return float(np.median(slowest))


def _times(directory: Path) -> dict[str, dict[str, list[float]]]:
    """Point key -> node -> step times in ns, of `forward` alone: one a session."""
    forward = {p.key for p in read_launcher(directory).points if p.axes.workload == "forward"}
    sessions: dict[tuple[str, str, str], _Slowest] = defaultdict(_Slowest)
    raw = RawFiles(directory)
    for name in raw.of_ranks:
        records = raw.records(name)
        session = next((record for record in records if isinstance(record, Session)), None)
        node = session and (session.node or session.host)
        if not (session and node):
            continue
        for record in records:
            if isinstance(record, Round):
                for block in record.blocks:
                    if block.key in forward:
                        step_ns = (block.end_ns - block.start_ns) / block.steps
                        sessions[block.key, node, session.session].take(record.round, step_ns)
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (key, node, _), slowest in sessions.items():
        times[key][node].append(slowest.median_ns())
    return times
