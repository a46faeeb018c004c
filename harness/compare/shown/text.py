"""Comparisons on a terminal, and in GitHub's markdown for a pull request.

In: Comparisons. Out: texts. Must not know how anything was compared, nor where texts go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from harness.compare.compared import Comparison
from harness.compare.shown import words
from harness.core.stats.verdicts import FASTER, SLOWER
from harness.core.text import shown
from harness.duel.shown import aligned
from harness.report.markdown import escaped

# Rows of a table on a terminal, and in a pull request before all of them are folded away.
MOST_ROWS, MOST_MOVERS = 60, 20
_MARKS = {SLOWER: ":red_circle: ", FASTER: ":green_circle: "}


def as_text(found: Sequence[Comparison]) -> str:
    """What differs between the runs first."""
    return "\n".join(shown(line) for each in found for line in [*_lines(each), ""]).rstrip()


def _lines(found: Comparison) -> Iterator[str]:
    if found.differences:
        yield "What the runs differ in:"
        yield from aligned([words.DIFFERENCES_HEADER, *found.differences])
    else:
        yield "The runs say the same of machine, versions and settings."
    yield ""
    yield words.headline(found)
    yield from words.summary(found)
    rows = words.ordered(found)
    if rows:
        yield ""
        yield from aligned([words.HEADER, *words.table(rows[:MOST_ROWS])])
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS} more: compare.csv"
    if why := words.why_left_out(found):
        yield ""
        yield why
    yield from words.notes(found)


def as_markdown(found: Sequence[Comparison]) -> str:
    """The verdict and what changed; the rest folded away."""
    return "\n".join(line for each in found for line in _markdown(each)).rstrip() + "\n"


def _markdown(found: Comparison) -> Iterator[str]:
    yield f"### {escaped(words.headline(found))}"
    yield ""
    if found.differences:
        yield "The runs differ in:"
        yield ""
        yield from _table(words.DIFFERENCES_HEADER, found.differences)
    yield from (f"- {escaped(text)}" for text in words.summary(found))
    if why := words.why_left_out(found):
        yield f"- {escaped(why)}"
    yield ""
    if movers := found.movers:
        marks = [_MARKS[row.judged.verdict] for row in movers]
        yield from _table(words.HEADER, words.table(movers[:MOST_MOVERS]), marks)
        if len(movers) > MOST_MOVERS:
            yield f"and {len(movers) - MOST_MOVERS} more"
            yield ""
    if found.rows:
        yield from _folded(f"All {len(found.rows)} points", words.HEADER, words.table(words.ordered(found)))
    if found.left_out:
        rows = [(each.label, each.why) for each in found.left_out]
        yield from _folded(f"{len(rows)} points left out", words.LEFT_OUT_HEADER, rows)
    if notes := list(words.notes(found)):
        yield from (f"- {escaped(text)}" for text in notes)
        yield ""


def _folded(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield from _table(header, rows)
    yield "</details>"
    yield ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], marks: Sequence[str] = ()) -> Iterator[str]:
    """marks: before the first cell of each row."""
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row, mark in zip_longest(rows, marks, fillvalue=""):
        if row:
            yield f"| {mark}{' | '.join(map(escaped, row))} |"
    yield ""
