"""The blocks of one rank, in columns: as records, those of a large run would not fit into memory.

In: rounds as they are read. Out: arrays. Must not know other ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.records.kinds import MAYBE, Block, Round

# Column -> one value a round. WHOLE are int64, those of MAYBE float64, NaN where there is none.
Columns = dict[str, "npt.NDArray[Any]"]
WHOLE = ("round", "build", "steps", "start_ns", "end_ns")

# So many blocks become arrays at a time.
_CHUNK = 4096

_WHOLE_OF_BLOCK = ("steps", "start_ns", "end_ns")
_whole, _maybe, _key = attrgetter(*_WHOLE_OF_BLOCK), attrgetter(*MAYBE), attrgetter("key")


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
        places = np.array(self._places, np.int64)
        whole = np.empty((len(WHOLE), count), np.int64)
        whole[:2] = np.repeat(places[:, :2], places[:, 2], axis=0).T
        values = chain.from_iterable(map(_whole, blocks))
        whole[2:] = np.fromiter(values, np.int64, count * 3).reshape(count, 3).T
        whole[3:] += self._offset_ns
        maybe = _floats(blocks).T
        keys = list(map(_key, blocks))
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        of_blocks = np.fromiter(map(numbers.__getitem__, keys), np.int64, count)
        order = np.argsort(of_blocks, kind="stable")
        ends = np.cumsum(np.bincount(of_blocks))
        for key, first, end in zip(numbers, [0, *ends], ends, strict=False):
            own = order[first:end]
            self._chunks.setdefault(key, []).append((whole[:, own], maybe[:, own]))
        self._blocks, self._places = [], []


def _floats(blocks: list[Block]) -> npt.NDArray[np.float64]:
    """A row a block. Quick where no block says of a number that there is none, instead of not saying it."""
    count = len(blocks) * len(MAYBE)
    try:
        flat = np.fromiter(chain.from_iterable(map(_maybe, blocks)), np.float64, count)
    except TypeError:
        return np.array(list(map(_maybe, blocks)), np.float64)
    return flat.reshape(len(blocks), len(MAYBE))
