"""The blocks in one rank's file, in columns: as records, those of a large run would not fit into memory.

In: rounds as they are read. Out: arrays for each point. Must not know other ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.records.kinds import MAYBE, Block, Round

# Column -> one value a round: round, build, steps, start_ns, end_ns in int64, those of MAYBE in float64, NaN where
# there is none.
Columns = dict[str, "npt.NDArray[Any]"]

# So many blocks become arrays at a time.
_CHUNK = 4096
_TIMES = ("start_ns", "end_ns")
# The values of a column, of many blocks at once.
_VALUES = {name: attrgetter(name) for name in ("key", "steps", *_TIMES, *MAYBE)}


class Blocks:
    """offset_ns: to the clock of rank 0, on which all times are put."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        self._places: dict[str, int] = {}
        self._rounds: list[tuple[int, int, int]] = []
        self._blocks: list[Block] = []
        self._chunks: list[Columns] = []

    def take(self, record: Round) -> None:
        self._rounds.append((len(record.blocks), record.round, record.build))
        self._blocks += record.blocks
        if len(self._blocks) >= _CHUNK:
            self._flush()

    def finished(self) -> Iterator[tuple[str, Columns, int]]:
        """Of each point: its key, its columns in the order of rounds, and how many blocks were left out of them since
        their round stands there twice."""
        self._flush()
        if not self._chunks:
            return
        together = {name: np.concatenate([chunk[name] for chunk in self._chunks]) for name in self._chunks[0]}
        self._chunks = []
        of_points = together.pop("point")
        order = np.argsort(of_points, kind="stable")
        ends = np.cumsum(np.bincount(of_points, minlength=len(self._places)))
        for key, place in self._places.items():
            own = order[ends[place - 1] if place else 0 : ends[place]]
            rounds = together["round"][own]
            if not (rounds[1:] > rounds[:-1]).all():  # as they are written, they are
                own = own[np.unique(rounds, return_index=True)[1]]
            yield key, {name: values[own] for name, values in together.items()}, len(rounds) - len(own)

    def _flush(self) -> None:
        blocks, places = self._blocks, self._places
        if not blocks:
            return
        lengths, rounds, builds = np.array(self._rounds, np.int64).T
        chunk: Columns = {"round": np.repeat(rounds, lengths), "build": np.repeat(builds, lengths)}
        keys = map(_VALUES["key"], blocks)
        chunk["point"] = np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
        chunk["steps"] = np.array(list(map(_VALUES["steps"], blocks)), np.int64)
        for name in _TIMES:
            chunk[name] = np.array(list(map(_VALUES[name], blocks)), np.int64) + self._offset_ns
        for name in MAYBE:
            chunk[name] = np.array(list(map(_VALUES[name], blocks)), np.float64)  # NaN for None
        self._chunks.append(chunk)
        self._blocks, self._rounds = [], []
