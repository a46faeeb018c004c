"""What a reader gets who reads no further: the answer, and the five findings that matter most.

In: the sentences of a report in their order. Out: a few of them, each with the question that it answers. Must not know
how any of them came about, nor where it will stand.

The rule: a report is asked five questions, and of the sentences that answer each the first is taken, which is the one
with the largest effect (harness.report.findings.choice). A question that nothing answers gives its place to the next
sentence of the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.findings.told import SPOILT, Told

RULE = (
    "One finding for each of five questions; of several that answer one, that with the largest effect. "
    "A question that the points do not answer gives its place to the next finding."
)
# Kinds by the question that they answer, the best answer first.
QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Is Python the bottleneck?", ("bottleneck",)),
    ("What removes it, and by how much?", ("faster", "rungs", "unsure")),
    ("Where does the time go?", ("attribution", "feedable")),
    ("Where does it stop mattering?", ("fading", "same")),
    ("How sure is that?", (SPOILT, "noise", "predicted")),
)
MOST = len(QUESTIONS)
OTHERWISE = "What else?"


@dataclass(frozen=True)
class Foremost:
    """A sentence, and the question that it answers."""

    question: str
    told: Told


@dataclass(frozen=True)
class Answer:
    """sentence: the answer in one. number: what it turns on, `number_of` says what that is; both empty where it is not
    known. removes: what removes it; empty where nothing is shown to. shown_by: kinds of figures, the best
    first. at: of which rows it speaks, by axis."""

    sentence: str
    number: str = ""
    number_of: str = ""
    removes: str = ""
    shown_by: tuple[str, ...] = ()
    at: tuple[tuple[str, Any], ...] = ()


def foremost(sentences: Sequence[Told]) -> list[Foremost]:
    """At most five, in the order of the questions, then of the report."""
    found = [Foremost(question, told) for question, kinds in QUESTIONS if (told := _first(sentences, kinds))]
    taken = {id(each.told) for each in found}
    rest = [Foremost(OTHERWISE, told) for told in sentences if id(told) not in taken]
    return [*found, *rest[: MOST - len(found)]]


def answer(sentences: Sequence[Told]) -> Answer:
    """From the sentences on the bottleneck and the gains; else the first sentence there is."""
    asked = [told for told in sentences if told.kind == "bottleneck"]
    # One with a number says more than one that cannot tell.
    best = next((told for told in asked if told.number), next(iter(asked), None))
    gain = next((told for told in sentences if told.kind == "faster" and told.number), None)
    if best is None:
        first = next(iter(sentences), Told("There is nothing to tell."))
        return Answer(first.text, shown_by=first.shown_by)
    removes = f"What removes most of it: {gain.brief}" if gain else ""
    if best.number:
        return Answer(
            best.brief,
            best.number,
            "of a step is dispatch, where it is most",
            removes,
            best.shown_by,
            best.at,
        )
    if gain:
        number_of = "the largest gain over eager that is shown"
        return Answer(best.brief, gain.number, number_of, removes, gain.shown_by, gain.at)
    return Answer(best.brief, shown_by=best.shown_by, at=best.at)


def _first(sentences: Sequence[Told], kinds: Sequence[str]) -> Told | None:
    """Of the first of these kinds that the report has a sentence of, the first."""
    return next((told for kind in kinds for told in sentences if told.kind == kind), None)
