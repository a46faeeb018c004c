"""Figures of one kind, to be shown in one place with a switch between them.

In: figures in the order of the page. Out: groups, and which figure shows a row. Must not know how figures are drawn,
nor HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.result import Figure
from harness.report.table.slices import agree

# Beside the answer where its own finding names no figure that was drawn: what says most at a glance comes first.
AT_A_GLANCE = ("crossover", "dispatch_share", "speedup", "ladder", "modes", "step_time")


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

    def link(self, place: int) -> str:
        """Where one of its figures is: of several its switch."""
        return f"{self.anchor}-{place + 1}" if len(self.figures) > 1 else self.anchor


@dataclass(frozen=True)
class Shown:
    """A figure that shows a row. place: in its group."""

    group: Group
    place: int

    @property
    def link(self) -> str:
        return self.group.link(self.place)


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


def showing(groups: Sequence[Group], kinds: Iterable[str], row: Mapping[str, Any]) -> Shown | None:
    """Of the first of these kinds that has any the first figure that this row can stand in; None where none shows it:
    one of other rows would be taken for it."""
    by_kind = {group.kind: group for group in groups}
    found = (
        Shown(by_kind[kind], place)
        for kind in kinds
        if kind in by_kind
        for place, figure in enumerate(by_kind[kind].figures)
        if agree(dict(figure.of), row)
    )
    return next(found, None)


def picture(groups: Sequence[Group], shown_by: Sequence[str], row: Mapping[str, Any]) -> Shown | None:
    """The one figure to be seen first: of the kinds that a finding names, else of those that say most at a glance, else
    of any; None where none shows the row."""
    return showing(groups, (*shown_by, *AT_A_GLANCE, *(group.kind for group in groups)), row)
