"""Which slices of each kind are drawn, where there are more than a reader looks through.

In: kinds in the order of the page, a tidy table. Out: a Choice for each kind. Must not know how anything is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.figures.kind import Kind
from harness.report.table.formats import count
from harness.report.table.slices import SLICE_AXES, Slice, chosen, split, varying, words

# Drawing is most of the time of a report. Three slices of a kind show both ends and one more; a dozen figures is
# what a reader looks through (of more kinds than that, one each), and what two slow cores draw in about two seconds.
MOST_SLICES = 3
MOST_FIGURES = 12
MOST_NAMED = 24


@dataclass(frozen=True)
class Choice:
    """Slices of a kind: those to draw, and those left out. names: the axes that tell one from another."""

    kind: Kind
    drawn: list[Slice]
    left: list[Slice]
    names: list[str]

    @property
    def omitted(self) -> str:
        """A sentence on what is left out; empty where nothing is."""
        return not_drawn(self.kind.name, [", ".join(words(part.values, self.names)) for part in self.left])


def not_drawn(kind: str, left: Sequence[str]) -> str:
    """A sentence on what is left out, by what each is called; empty where nothing is."""
    if not left:
        return ""
    more = f"; and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
    return (
        f"Not drawn: {kind} for {count(len(left), 'more slice')} ({'; '.join(left[:MOST_NAMED])}{more}); "
        "`harness report RUN --all-figures` draws them."
    )


def choices(
    kinds: Sequence[Kind], points: pd.DataFrame, *, all_figures: bool, asked: Mapping[str, Any]
) -> list[Choice]:
    """One for each kind; all_figures: leave nothing out; asked: a row by axis, whose slices are not left out."""
    slices_without = {axes: split(points, axes) for axes in {kind.without for kind in kinds}}
    found = [[part for part in slices_without[kind.without] if kind.drawable(part.rows)] for kind in kinds]
    wanted = [len(slices) for slices in found]
    limits = wanted if all_figures else _allotted(wanted)
    differing = varying(points)
    return [
        _choice(kind, slices, limit, asked, [name for name in SLICE_AXES if name in differing - kind.without])
        for kind, slices, limit in zip(kinds, found, limits, strict=True)
    ]


def _choice(
    kind: Kind, slices: list[Slice], limit: int, asked: Mapping[str, Any], names: list[str]
) -> Choice:
    drawn = chosen(slices, limit, asked)
    kept = {id(part) for part in drawn}
    return Choice(kind, drawn, [part for part in slices if id(part) not in kept], names)


def _allotted(wanted: list[int]) -> list[int]:
    """How many slices of each kind to draw: one of every kind, then a second of every kind, and so on."""
    given = [0] * len(wanted)
    for turn in range(MOST_SLICES):
        for place, number in enumerate(wanted):
            if turn < number and (turn == 0 or sum(given) < MOST_FIGURES):
                given[place] += 1
    return given
