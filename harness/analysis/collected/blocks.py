"""The blocks of one rank, in columns: as records, those of a large run would not fit into memory.

In: rounds as they are read. Out: arrays. Must not know other ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.records.kinds import MAYBE, Block, Round

# Column -> one value a round. WHOLE are int64, those of MAYBE float64, NaN where there is none.
Columns = dict[str, "npt.NDArray[Any]"]
WHOLE = ("round", "build", "steps", "start_ns", "end_ns")

# So many blocks become arrays at a time: those of many more would not fit into the processor's cache.
_CHUNK = 1024

_READ_WHOLE = tuple(map(attrgetter, ("steps", "start_ns", "end_ns")))
_READ_MAYBE = tuple(map(attrgetter, MAYBE))


class Blocks:
    """Those of one rank's file. offset_ns: to the clock of rank 0, on which all times are put."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        self._blocks: list[Block] = []
        self._places: list[tuple[int, int, int]] = []
        # Key -> arrays of a row a column, in the order of WHOLE and of MAYBE.
        self._chunks: dict[str, list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]] = {}

    def take(self, record: Round) -> None:
        self._places.append((record.round, record.build, len(record.blocks)))
        self._blocks += record.blocks
        if len(self._blocks) >= _CHUNK:
            self._flush()

    def finished(self) -> Iterator[tuple[str, Columns, int]]:
        """Of each point its key, its blocks in the order of their rounds, and how many were left out since their round
        stands there twice."""
        self._flush()
        for key in list(self._chunks):
            wholes, maybes = zip(*self._chunks.pop(key), strict=True)
            whole, maybe = np.concatenate(wholes, axis=1), np.concatenate(maybes, axis=1)
            rounds, twice = whole[0], 0
            if not (rounds[1:] > rounds[:-1]).all():
                _, first = np.unique(rounds, return_index=True)
                twice = len(rounds) - len(first)
                whole, maybe = whole[:, first], maybe[:, first]
            yield (
                key,
                dict(zip(WHOLE, whole, strict=True)) | dict(zip(MAYBE, maybe, strict=True)),
                twice,
            )

    def _flush(self) -> None:
        blocks, count = self._blocks, len(self._blocks)
        if not blocks:
            return
        order, ends = _by_key(blocks)
        places = np.array(self._places, np.int64)
        whole = np.empty((len(WHOLE), count), np.int64)
        whole[:2] = np.repeat(places[:, :2].T, places[:, 2], axis=1)
        for row, read in zip(whole[2:], _READ_WHOLE, strict=True):
            row[:] = np.fromiter(map(read, blocks), np.int64, count)
        whole[3:] += self._offset_ns
        maybe = np.array([_floats(list(map(read, blocks))) for read in _READ_MAYBE])
        whole, maybe = whole.take(order, axis=1), maybe.take(order, axis=1)
        first = 0
        for key, end in ends.items():
            self._chunks.setdefault(key, []).append((whole[:, first:end], maybe[:, first:end]))
            first = end
        self._blocks, self._places = [], []


def _by_key(blocks: list[Block]) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """The order in which blocks of one key follow each other, and where those of each key end."""
    keys = [block.key for block in blocks]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of_blocks = np.fromiter(map(numbers.__getitem__, keys), np.int64, len(keys))
    ends = np.cumsum(np.bincount(of_blocks)).tolist()
    return np.argsort(of_blocks, kind="stable"), dict(zip(numbers, ends, strict=True))


def _floats(values: list[float | None]) -> npt.NDArray[np.float64]:
    """Quick where no block says of a number that there is none, instead of not saying it."""
    try:
        return np.fromiter(values, np.float64, len(values))
    except TypeError:
        return np.array(values, np.float64)
