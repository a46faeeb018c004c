"""The blocks of one point by one rank, in columns: as records, those of a large run would not fit into memory.

In: blocks as they are read. Out: arrays. Must not know other ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from harness.records.kinds import MAYBE, Block

# Column -> one value a round. WHOLE are int64, those of MAYBE float64, NaN where there is none.
Columns = dict[str, "npt.NDArray[Any]"]
WHOLE = ("round", "build", "steps", "start_ns", "end_ns")

# So many blocks become arrays at a time.
_CHUNK = 1024


class Blocks:
    """Those of one point in one rank's file. offset_ns: to the clock of rank 0, on which all times are put."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        self._places: list[tuple[int, int]] = []
        self._blocks: list[Block] = []
        self._chunks: list[Columns] = []

    def take(self, number: int, build: int, block: Block) -> None:
        """number: of the round."""
        self._places.append((number, build))
        self._blocks.append(block)
        if len(self._blocks) == _CHUNK:
            self._flush()

    def finished(self) -> tuple[Columns, int]:
        """All of them in the order of their rounds, and how many were left out since their round stands there twice."""
        self._flush()
        names = self._chunks[0]
        together = {name: np.concatenate([chunk[name] for chunk in self._chunks]) for name in names}
        self._chunks = []
        _, first = np.unique(together["round"], return_index=True)
        return {name: values[first] for name, values in together.items()}, len(together["round"]) - len(first)

    def _flush(self) -> None:
        if not self._blocks:
            return
        blocks, places = self._blocks, np.array(self._places, np.int64)
        chunk: Columns = {"round": places[:, 0], "build": places[:, 1]}
        chunk["steps"] = np.array([block.steps for block in blocks], np.int64)
        for name in ("start_ns", "end_ns"):
            chunk[name] = np.array([getattr(block, name) for block in blocks], np.int64) + self._offset_ns
        for name in MAYBE:
            chunk[name] = np.array([getattr(block, name) for block in blocks], np.float64)
        self._chunks.append(chunk)
        self._blocks, self._places = [], []
