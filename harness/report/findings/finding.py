"""What every kind of sentence is to the one that puts them together.

In: nothing. Out: the interface. Must not know any single kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from harness.report.findings.claim import Claim
from harness.report.table.slices import Slice


@dataclass(frozen=True)
class Finding:
    """A kind of sentence.

    without: slice axes that its sentences compare or name themselves. claims: of one slice, given the slice axes
    with more than one value in the report. crowded: whether it wants oversubscribed points too, of which others
    must claim nothing. shown_by: kinds of figures that show what is claimed, the best first.
    """

    name: str
    without: frozenset[str]
    claims: Callable[[Slice, Collection[str]], list[Claim]]
    crowded: bool = False
    shown_by: tuple[str, ...] = ()
