"""Stretches of time as sorted, disjoint intervals, in whole nanoseconds: so that parts add up to the whole exactly.

In: pairs of times. Out: Spans. Must not know what happens in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spans:
    """starts, ends: of intervals that neither touch nor overlap, in order. [start, end) each."""

    starts: Times
    ends: Times

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
        return Spans(first[begins], last[finishes])

    @staticmethod
    def joined(parts: Iterable[Spans]) -> Spans:
        """The union of several."""
        each = [part for part in parts if part]
        if not each:
            return NOTHING
        return Spans.of(
            *(np.concatenate([getattr(part, end) for part in each]) for end in ("starts", "ends"))
        )

    @staticmethod
    def one(start: int, end: int) -> Spans:
        return Spans.of([start], [end])

    def __bool__(self) -> bool:
        return len(self.starts) > 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    @property
    def total(self) -> int:
        return int((self.ends - self.starts).sum())

    def until(self, times: Times) -> Times:
        """How much of them lies before each of the times, in ns."""
        if not self:
            return np.zeros(len(times), np.int64)
        before = np.concatenate([[0], np.cumsum(self.ends - self.starts)])
        at = np.searchsorted(self.starts, times, side="right")
        beyond = np.where(at > 0, np.maximum(self.ends[at - 1] - times, 0), 0)
        return np.asarray(before[at] - beyond, np.int64)

    def within(self, start: int, end: int) -> Spans:
        """The part of them in [start, end)."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        past = int(np.searchsorted(self.starts, end, side="left"))
        if first >= past:
            return NOTHING
        return Spans(np.maximum(self.starts[first:past], start), np.minimum(self.ends[first:past], end))

    def meet(self, other: Spans) -> Spans:
        """What is in both."""
        return self._where(other, _BOTH) if self and other else NOTHING

    def without(self, other: Spans) -> Spans:
        """What is in these alone."""
        return self._where(other, _FIRST) if self and other else self

    def gaps(self, start: int, end: int) -> Spans:
        """What of [start, end) is in none of them."""
        return Spans.one(start, end).without(self)

    def _where(self, other: Spans, wanted: int) -> Spans:
        """Between any two neighbouring ends it is known in which of both a time is: in these 1, in the others 2."""
        times = np.concatenate([self.starts, self.ends, other.starts, other.ends])
        change = np.repeat(
            [_FIRST, -_FIRST, _SECOND, -_SECOND], [len(self.starts)] * 2 + [len(other.starts)] * 2
        )
        order = np.argsort(times, kind="stable")
        times, inside = times[order], np.cumsum(change[order])
        kept = inside[:-1] == wanted
        return Spans.of(times[:-1][kept], times[1:][kept])


_FIRST, _SECOND, _BOTH = 1, 2, 3
NOTHING = Spans(np.empty(0, np.int64), np.empty(0, np.int64))
