"""Figures of one kind, to be shown in one place with a switch between them.

In: figures in the order of the page. Out: groups, and which of them answers a question at a glance. Must not know how
figures are drawn, nor HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.result import Figure
from harness.report.table.slices import words

# Beside the answer where its own finding names no figure that was drawn: what says most at a glance comes first.
AT_A_GLANCE = ("crossover", "dispatch_share", "speedup", "ladder", "modes", "step_time")


# Between the words of a figure's label.
JOINT = ", "


@dataclass(frozen=True)
class Group:
    """Figures of a kind. places: of each in the report's list. title: what they share of theirs."""

    kind: str
    title: str
    figures: tuple[Figure, ...]
    places: tuple[int, ...]

    @property
    def anchor(self) -> str:
        return f"figures-{self.kind}"

    def nearest(self, at: Sequence[tuple[str, Any]]) -> int:
        """Of the figures that whose label names most of the axes of a sentence; the first of equals."""
        values = dict(at)
        wanted = set(words(values, values))
        shared = [len(wanted & set(figure.label.split(JOINT))) for figure in self.figures]
        return shared.index(max(shared))

    def link(self, at: Sequence[tuple[str, Any]]) -> str:
        """Where the figure of a sentence is: of several its switch."""
        return f"{self.anchor}-{self.nearest(at) + 1}" if len(self.figures) > 1 else self.anchor


def grouped(figures: Sequence[Figure]) -> list[Group]:
    """In the order in which their kinds occur first."""
    places: dict[str, list[int]] = {}
    for place, figure in enumerate(figures):
        places.setdefault(figure.kind, []).append(place)
    return [
        Group(kind, _title([figures[place] for place in own]), tuple(figures[p] for p in own), tuple(own))
        for kind, own in places.items()
    ]


def _title(own: Sequence[Figure]) -> str:
    """That of the only figure; of several what stands before their slices."""
    return own[0].title if len(own) == 1 else own[0].title.partition(": ")[0]


def picture(groups: Sequence[Group], shown_by: Sequence[str]) -> Group | None:
    """The one group to be seen first: of the kinds that a finding names, else of those that say most at a glance; None
    where there are no figures."""
    by_kind = {group.kind: group for group in groups}
    found = (by_kind[kind] for kind in (*shown_by, *AT_A_GLANCE) if kind in by_kind)
    return next(found, next(iter(groups), None))
