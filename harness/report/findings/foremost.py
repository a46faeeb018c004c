"""What a reader gets who reads no further: the answer, and the five findings that matter most.

In: the sentences of a report in their order. Out: a few of them, each with the question that it answers. Must not know
how any of them came about, nor where it will stand.

The rule: one sentence is the answer. A report is asked five questions, and of the sentences that answer each the first
is taken that speaks of the answer's rows, else the first, which is the one with the largest effect
(harness.report.findings.choice). A question that nothing answers gives its place to the next sentence of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.report.findings.claim import Crux
from harness.report.findings.told import SPOILT, Told
from harness.report.table.slices import agree

RULE = (
    "One finding for each of five questions; of several that answer one, those of the answer's rows come first, then "
    "that with the largest effect. A question that the points do not answer gives its place to the next finding."
)
Questions = tuple[tuple[str, tuple[str, ...]], ...]
SURE = ("How sure is that?", (SPOILT, "noise", "predicted"))
# Kinds by the question that they answer, the best answer first.
QUESTIONS: Questions = (
    ("Is Python the bottleneck?", ("bottleneck",)),
    ("What removes it, and by how much?", ("faster", "rungs", "unsure")),
    ("Where does the time go?", ("attribution", "feedable")),
    ("Where does it stop mattering?", ("crossover", "fading", "same")),
    SURE,
)
# Of a report that has several frameworks: each of them has a bottleneck of its own.
COMPARED = "styles"
OF_FRAMEWORKS: Questions = (
    ("Imperative, symbolic, hybrid: how do they compare?", (COMPARED,)),
    ("What does a graph bring?", ("own_gains",)),
    ("What does one more layer cost in Python?", ("layers",)),
    ("Where is Python the bottleneck?", ("bottleneck",)),
    SURE,
)
# The kind whose sentences begin with their question.
ASKING = "bottleneck"
MOST = len(QUESTIONS)
OTHERWISE = "What else?"


@dataclass(frozen=True)
class Foremost:
    """A sentence, and the question that it answers."""

    question: str
    told: Told

    @property
    def text(self) -> str:
        """The sentence without the question, where that stands before it anyway."""
        crux = self.told.crux
        return crux.brief if self.told.kind == ASKING and crux else self.told.text


@dataclass(frozen=True)
class Answer:
    """crux: the answer in one sentence, the number that it turns on, and what to say beside. row: what all of that is
    of, by axis; a picture beside it is of the same. shown_by: kinds of figures, the best first. told: which sentence of
    the report it is."""

    crux: Crux
    row: Mapping[str, Any] = field(default_factory=dict)
    shown_by: tuple[str, ...] = ()
    told: Told | None = None


def answer(sentences: Sequence[Told]) -> Answer:
    """That on the frameworks, where there are several; else that on the bottleneck; else the first sentence."""
    best = next((told for told in sentences if told.kind == COMPARED and told.crux), None)
    if best is None:
        asked = [told for told in sentences if told.kind == "bottleneck" and told.crux]
        # One with a number says more than one that cannot tell, one that was measured more than one that was modelled.
        best = min(asked, key=_doubt, default=next(iter(sentences), None))
    if best is None:
        return Answer(Crux("There is nothing to tell."))
    return Answer(best.crux or Crux(best.text), best.row, best.shown_by, best)


def foremost(sentences: Sequence[Told]) -> list[Foremost]:
    """At most five, in the order of the questions, then of the report."""
    best = answer(sentences)
    questions = OF_FRAMEWORKS if best.told and best.told.kind == COMPARED else QUESTIONS
    found = [
        Foremost(question, told) for question, kinds in questions if (told := _first(sentences, kinds, best))
    ]
    taken = {id(each.told) for each in found}
    rest = [Foremost(OTHERWISE, told) for told in sentences if id(told) not in taken]
    return [*found, *rest[: MOST - len(found)]]


def _doubt(told: Told) -> tuple[bool, bool]:
    return not (told.crux and told.crux.number), bool(told.row.get("emulated"))


def _first(sentences: Sequence[Told], kinds: Sequence[str], best: Answer) -> Told | None:
    """Of the first of these kinds that the report has: the answer itself, else one of its rows, else the first."""
    for kind in kinds:
        of_kind = [told for told in sentences if told.kind == kind]
        if of_kind:
            return min(of_kind, key=lambda told: (told is not best.told, not _of_the_same(told, best)))
    return None


def _of_the_same(told: Told, best: Answer) -> bool:
    """Whether it is of the answer's rows, wherever in depth and batch."""
    return agree(dict(told.part), best.row)
