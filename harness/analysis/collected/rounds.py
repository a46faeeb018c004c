"""Rounds of a point, over its ranks.

In: the blocks of each rank. Out: one value per round and quantity. Must not know modes, axes or the points' table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.analysis.collected.blocks import Columns

# Columns of Rounds for one point of one session: name -> one value per round.
Series = Mapping[str, "npt.NDArray[Any]"]

Values = npt.NDArray[Any]

# Column -> how it comes of those of two sets of ranks. Those that a rank lacks are NaN, and the others' count.
_JOINED: dict[str, Callable[[Values, Values], Values]] = {
    "slowest_ns": np.fmax,
    "fastest_ns": np.fmin,
    "build": np.maximum,
    "start_ns": np.minimum,
    "end_ns": np.maximum,
    "steps": np.maximum,
    "cpu_share_sum": np.add,
    "cpu_share_ranks": np.add,
    "main_share": np.fmin,
    "waits_s": np.fmax,
    "preemptions_s": np.fmax,
    "issue_ns": np.fmax,
    "device_max_ns": np.fmax,
    "device_min_ns": np.fmin,
}


class OverRanks:
    """One point of one session, rank by rank. Rounds that some rank lacks are left out."""

    def __init__(self) -> None:
        self.ranks: set[int] = set()
        self._joined: Columns = {}
        # A full queue makes every rank wait; one that did so alone was waiting for a core: hence their median.
        self._growth: list[Values] = []
        self._blocks = 0
        self._last: list[int] = []

    def take(self, rank: int, blocks: Columns) -> None:
        """blocks: of harness.analysis.collected.blocks, of a rank that was not taken yet."""
        own, growth = _of_rank(blocks), blocks["growth"]
        if self.ranks:
            _, here, there = np.intersect1d(
                self._joined["round"], own["round"], assume_unique=True, return_indices=True
            )
            before = {name: values[here] for name, values in self._joined.items()}
            own = {name: values[there] for name, values in own.items()}
            self._growth = [values[here] for values in self._growth]
            growth = growth[there]
            own |= {name: join(before[name], own[name]) for name, join in _JOINED.items()}
        self.ranks.add(rank)
        self._blocks += len(blocks["round"])
        self._last.append(int(blocks["round"].max()))
        self._joined = own
        self._growth.append(growth)

    def lacking(self, ranks: int) -> int:
        """Blocks of rounds that some of so many ranks lack; but for the last round, within which a session may be
        killed."""
        if len(self.ranks) < ranks:
            return self._blocks
        lacking = self._blocks - len(self.ranks) * len(self._joined["round"])
        of_the_last = self._last.count(max(self._last)) if min(self._last) < max(self._last) else 0
        return 0 if lacking == of_the_last else lacking

    def finished(self) -> Series:
        """One value per round, NaN where no rank has one."""
        columns = dict(self._joined)
        ranks = columns.pop("cpu_share_ranks")
        columns["cpu_share"] = columns.pop("cpu_share_sum") / np.where(ranks > 0, ranks, np.nan)
        columns["growth"] = _median_of_ranks(self._growth)
        return columns


def _of_rank(blocks: Columns) -> Columns:
    wall = (blocks["end_ns"] - blocks["start_ns"]).astype(np.float64)
    steps, fastest = blocks["steps"], blocks["fastest_ns"]
    cpu_share = blocks["cpu_ns"] / wall
    return {
        **{name: blocks[name] for name in ("round", "build", "start_ns", "end_ns", "steps", "issue_ns")},
        "slowest_ns": wall / steps,
        "fastest_ns": np.where(np.isnan(fastest), wall, fastest) / steps,
        "cpu_share_sum": np.nan_to_num(cpu_share, nan=0.0),
        "cpu_share_ranks": (~np.isnan(cpu_share)).astype(np.int64),
        "main_share": blocks["main_ns"] / wall,
        "waits_s": blocks["waits"] / wall * 1e9,
        "preemptions_s": blocks["preemptions"] / wall * 1e9,
        "device_max_ns": blocks["device_ns"],
        "device_min_ns": blocks["device_ns"],
    }


def _median_of_ranks(values: Sequence[Values]) -> Values:
    """Of those that are there."""
    if len(values) == 1:
        return values[0]
    together = np.sort(np.stack(values), axis=0)  # NaN last
    there = (~np.isnan(together)).sum(axis=0)
    last = np.maximum(there - 1, 0)
    at = np.arange(together.shape[1])
    return np.asarray((together[last // 2, at] + together[(last + 1) // 2, at]) / 2)


def joined(sessions: Sequence[Series]) -> Series:
    """One point's rounds of several sessions behind each other."""
    first, *others = sessions
    return {name: np.concatenate([first[name], *(each[name] for each in others)]) for name in first}


def median(values: Values) -> float:
    """Median of those that are there; NaN when none is."""
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else float("nan")
