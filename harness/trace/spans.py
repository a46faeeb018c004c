"""Stretches of time as sorted, disjoint intervals, in whole nanoseconds: so that parts add up to the whole exactly.

In: pairs of times. Out: Spans. Must not know what happens in them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
    def joined(parts: Iterable[Spans]) -> Spans:
        """The union of several."""
        each = list(parts)
        return Spans.of(
            [time for part in each for time in part.starts], [time for part in each for time in part.ends]
        )

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

    def until(self, times: Times) -> Times:
        """How much of them lies before each of the times, in ns."""
        starts, ends = np.array(self.starts, np.int64), np.array(self.ends, np.int64)
        before = np.concatenate([[0], np.cumsum(ends - starts)])
        at = np.searchsorted(starts, times, side="right")
        if not len(starts):
            return np.zeros(len(times), np.int64)
        beyond = np.where(at > 0, np.maximum(ends[at - 1] - times, 0), 0)
        return np.asarray(before[at] - beyond, np.int64)

    def within(self, start: int, end: int) -> Spans:
        """The part of them in [start, end)."""
        first = bisect_right(self.ends, start)
        past = bisect_left(self.starts, end, first)
        if first >= past:
            return NOTHING
        starts, ends = self.starts[first:past], self.ends[first:past]
        starts[0], ends[-1] = max(starts[0], start), min(ends[-1], end)
        return Spans(starts, ends)

    def meet(self, other: Spans) -> Spans:
        """What is in both."""
        if not (self and other):
            return NOTHING
        return _joined(other.within(start, end) for start, end in self)

    def without(self, other: Spans) -> Spans:
        """What is in these alone."""
        if not (self and other):
            return self
        return _joined(other.gaps(start, end) for start, end in self)

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
