"""Which nodes of a run are slower than the others, by points that were measured on several of them.

In: raw records. Out: a Speed for each node. Must not know how the nodes came to have the points.

Two kinds of points are on several nodes: those of sessions that span them, of which only `forward` can be compared,
since in `train` all ranks wait for the slowest; and the reference cell, which every shard measures.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from harness.core.stats.intervals import over_sessions
from harness.records.raw import LAUNCHER_FILE, RawData

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


def node_speeds(raw: RawData) -> list[Speed]:
    """One for each node that shares a point with another, in the order of their names."""
    times = _times(raw)
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


def _times(raw: RawData) -> dict[str, dict[str, list[float]]]:
    """Point key -> node -> step times in ns, of `forward` alone: a session's median over rounds, of each the node's
    slowest rank."""
    forward = {
        record["key"]
        for record in raw.files.get(LAUNCHER_FILE, [])
        if record["type"] == "point" and record["axes"].get("workload") == "forward"
    }
    rounds: dict[tuple[str, str, str, int], float] = {}
    for records in raw.files.values():
        session: dict[str, Any] | None = next((r for r in records if r["type"] == "session"), None)
        if session is None:
            continue
        node = str(session.get("node") or session.get("host") or "")
        for record in (r for r in records if r["type"] == "round" and node):
            for block in (b for b in record["blocks"] if b["key"] in forward):
                place = (block["key"], node, session["session"], record["round"])
                step = (block["end_ns"] - block["start_ns"]) / block["steps"]
                rounds[place] = max(step, rounds.get(place, 0.0))
    sessions: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (key, node, name, _), step in rounds.items():
        sessions[key, node, name].append(step)
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (key, node, _), steps in sessions.items():
        times[key][node].append(statistics.median(steps))
    return times
