"""One rank's trace in columns: what its devices did, what its threads called, and its steps.

In: numbers and names. Out: a Trace. Must not know files, nor what any of it was waiting for.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.trace.spans import Spans, Times

KERNEL, COPY, MEMSET = range(3)
_COLLECTIVE = re.compile(r"nccl|rccl|AllReduce|AllGather|ReduceScatter|AllToAll|oneccl", re.IGNORECASE)


class Names:
    """Texts as small numbers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def of(self, text: str) -> int:
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = len(self.texts)
            self.texts.append(text)
        return number

    def all(self, texts: Iterable[str]) -> list[int]:
        known = self._known
        return [known[text] if text in known else self.of(text) for text in texts]


class Table:
    """Rows of whole numbers, by named columns."""

    def __init__(self, *columns: str) -> None:
        self._places = {name: place for place, name in enumerate(columns)}
        self._numbers = array("q")

    def add(self, *values: int) -> None:
        """A value for each column. Not once columns have been looked at."""
        self._numbers.extend(values)

    def add_rows(self, *columns: npt.ArrayLike) -> None:
        """As many at a time as each of them has values."""
        self._numbers.frombytes(np.stack([np.asarray(each, np.int64) for each in columns], axis=1).tobytes())

    def __len__(self) -> int:
        return len(self._numbers) // len(self._places)

    def __getitem__(self, name: str) -> Times:
        column: Times = self._columns[self._places[name]]
        return column

    @cached_property
    def _columns(self) -> Times:
        if not len(self._numbers):
            return np.empty((len(self._places), 0), np.int64)
        return np.ascontiguousarray(np.frombuffer(self._numbers, np.int64).reshape(-1, len(self._places)).T)


@dataclass
class Trace:
    """Times in ns, all of one clock. work: of devices; calls: of the runtime; operators, python: of host threads;
    waits: of one stream for another. shape: a launch's dimensions, or bytes; meeting: kind, size and group of a
    collective, where it says so; both among the names. steps: number -> its time. loader: when a data loader was asked,
    by thread. rank: None where the trace does not say. ranks: in the job; None where it is not known. cut: why it is
    not whole."""

    path: Path
    names: Names = field(default_factory=Names)
    work: Table = field(
        default_factory=lambda: Table(
            *("start", "end", "device", "stream", "correlation", "kind", "name", "shape", "meeting")
        )
    )
    calls: Table = field(default_factory=lambda: Table("start", "end", "thread", "correlation", "name"))
    operators: Table = field(default_factory=lambda: Table("start", "end", "thread", "name"))
    python: Table = field(default_factory=lambda: Table("start", "end", "thread", "name"))
    waits: Table = field(default_factory=lambda: Table("start", "stream", "correlation"))
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)
    loader: Table = field(default_factory=lambda: Table("start", "end", "thread"))
    rank: int | None = None
    ranks: int | None = None
    device_names: dict[int, str] = field(default_factory=dict)
    cut: str = ""

    @property
    def devices(self) -> list[int]:
        return sorted(set(self.work["device"].tolist()))

    def is_collective(self, name: int) -> bool:
        return bool(_COLLECTIVE.search(self.names.texts[name]))


def union(table: Table, rows: npt.NDArray[np.bool_] | None = None) -> Spans:
    """When any of the rows of a table was going on."""
    starts, ends = table["start"], table["end"]
    return Spans.of(starts, ends) if rows is None else Spans.of(starts[rows], ends[rows])
