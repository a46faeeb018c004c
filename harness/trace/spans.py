"""Stretches of time as sorted, disjoint intervals, in whole nanoseconds: so that parts add up to the whole exactly.

In: pairs of times. Out: Spans. Must not know what happens in them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """starts, ends: of intervals that neither touch nor overlap, in order. [start, end) each."""

    starts: list[int]
    ends: list[int]

    @staticmethod
    def of(starts: Times | Sequence[int], ends: Times | Sequence[int]) -> Spans:
        """The union of any intervals."""
        first, last = np.asarray(starts, np.int64), np.asarray(ends, np.int64)
        kept = last > first
        first, last = first[kept], last[kept]
        if not len(first):
            return NOTHING
        order = np.argsort(first, kind="stable")
        first, last = first[order], np.maximum.accumulate(last[order])
        begins = np.concatenate([[True], first[1:] > last[:-1]])
        finishes = np.concatenate([begins[1:], [True]])
        return Spans(first[begins].tolist(), last[finishes].tolist())

    @staticmethod
    def one(start: int, end: int) -> Spans:
        return Spans([start], [end]) if end > start else NOTHING

    def __bool__(self) -> bool:
        return bool(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.starts, self.ends, strict=True))

    @property
    def total(self) -> int:
        return sum(self.ends) - sum(self.starts)

    def within(self, start: int, end: int) -> Spans:
        """The part of them in [start, end)."""
        starts, ends = [], []
        for at in range(max(bisect_right(self.starts, start) - 1, 0), len(self.starts)):
            if self.starts[at] >= end:
                break
            first, last = max(self.starts[at], start), min(self.ends[at], end)
            if last > first:
                starts.append(first)
                ends.append(last)
        return Spans(starts, ends)

    def meet(self, other: Spans) -> Spans:
        """What is in both."""
        return _joined(other.within(start, end) for start, end in self)

    def without(self, other: Spans) -> Spans:
        """What is in these alone."""
        return _joined(other.within(start, end).gaps(start, end) for start, end in self)

    def gaps(self, start: int, end: int) -> Spans:
        """What of [start, end) is in none of them."""
        inside = self.within(start, end)
        starts, ends = [start, *inside.ends], [*inside.starts, end]
        pairs = [(first, last) for first, last in zip(starts, ends, strict=True) if last > first]
        return Spans([first for first, _ in pairs], [last for _, last in pairs])


NOTHING = Spans([], [])


def _joined(parts: Iterable[Spans]) -> Spans:
    starts: list[int] = []
    ends: list[int] = []
    for part in parts:
        starts += part.starts
        ends += part.ends
    return Spans(starts, ends)
