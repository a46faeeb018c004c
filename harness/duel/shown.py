"""A duel as text, as a table of comma-separated values, and as data.

In: a Duelled. Out: texts. Must not know how anything was measured, nor where texts go.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.core.stats.intervals import Interval
from harness.core.stats.verdicts import UNDECIDED, threshold
from harness.duel.cells import SHOWN
from harness.duel.contrasts import NULL, RATIO
from harness.duel.driven import A_AGAIN, A, B
from harness.duel.facts import LONG, alike, differing
from harness.duel.judged import Judgement
from harness.duel.run import Duelled, Row
from harness.duel.swaps import components, sentence
from harness.report.csvfile import defused

OVERALL = "overall"
COLUMNS = (
    *("key", *SHOWN, "a", "b", "ratio", "ratio_low", "ratio_high", "verdict"),
    *("a_us", "b_us", "null_ratio", "null_low", "null_high", "floor", "repeats", "status", "error"),
)
_OK = "ok"


@dataclass(frozen=True)
class Shown:
    """a, b: what the user calls them. notes: sentences on what they are. bisected: whether components were swapped."""

    a: str
    b: str
    found: Duelled
    notes: Sequence[str] = ()
    bisected: bool = False

    def as_csv(self) -> str:
        """A row a cell, then one of all together, whose key is `overall`."""
        made = io.StringIO()
        writer = csv.DictWriter(made, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: defused(value) for name, value in row.items()} for row in self._rows())
        return made.getvalue()

    def as_json(self) -> str:
        """All of it, but for what each repeat found."""
        return json.dumps(self._plain(), indent=1, allow_nan=False)

    def as_text(self) -> str:
        return "\n".join(self._lines())

    @property
    def verdict(self) -> str:
        """Of all cells together."""
        overall = self.found.overall
        return overall.found[RATIO].verdict if overall else UNDECIDED

    def _rows(self) -> Iterator[dict[str, object]]:
        named = {"a": self.a, "b": self.b}
        for row in self.found.rows:
            axes = {name: "" if value is None else value for name, value in row.cell.axes.items()}
            yield {
                "key": row.cell.key,
                **axes,
                **named,
                **_times(row),
                **_judged(row.judgement),
                **_status(row),
            }
        overall = {"key": OVERALL, **named, "repeats": self.found.repeats}
        if self.found.overall:
            yield {**overall, **_judged(self.found.overall), "status": _OK}

    def _lines(self) -> Iterator[str]:
        found = self.found
        yield self._headline()
        yield from self.notes
        yield from found.notes
        yield ""
        yield from aligned(
            [["cell", "a us", "b us", "b's speed / a's", "interval", "a / a", "verdict"], *self._table()]
        )
        for row in found.rows:
            if row.failed:
                yield f"  {row.cell.label}: {row.failed.status}: {row.failed.error}"
        if self.bisected and found.overall:
            yield ""
            yield sentence(found.overall)
            yield from aligned([["component", "speed / a's", "interval", "verdict"], *_swaps(found.overall)])
        yield ""
        yield (
            f"{found.repeats} repeats, each of fresh processes in random order, {found.seconds:.0f} s; "
            f"ended: {found.stop}."
        )
        yield from self._builds()

    def _headline(self) -> str:
        overall = self.found.overall
        if overall is None:
            return f"{self.b} beside {self.a}: nothing could be compared"
        ratio, least = overall.found[RATIO].ratio, threshold(overall.floor)
        counts = "a difference of any size" if math.isinf(least) else f"less than {100 * least:.1f} %"
        return (
            f"{self.b} beside {self.a}: {self.verdict}. {ratio.estimate:.3f} times as fast {_ends(ratio)}; "
            f"{counts} is not told from none."
        )

    def _table(self) -> Iterator[list[str]]:
        for row in self.found.rows:
            if row.judgement:
                times = _times(row)
                yield [row.cell.label, times["a_us"], times["b_us"], *_words(row.judgement)]
        if self.found.overall and len(self.found.rows) > 1:
            yield [OVERALL, "", "", *_words(self.found.overall)]

    def _builds(self) -> Iterator[str]:
        facts = self.found.facts
        if A not in facts or B not in facts:
            return
        differ = differing(facts[A], facts[B])
        yield ""
        if differ:
            yield "What differs in the builds:"
            yield from aligned([["", "a", "b"], *map(list, differ)])
        else:
            yield "The builds say the same of themselves."
        if odd := differing(facts[A], facts.get(A_AGAIN, facts[A])):
            yield f"Two processes of a differ in: {', '.join(name for name, *_ in odd)}."
        if same := alike(facts[A], facts[B]):
            short = [f"{name} {said}" for name, said in same if len(said) <= LONG]
            long = [name for name, said in same if len(said) > LONG]
            yield f"Alike: {', '.join([*short, *long])}."

    def _plain(self) -> dict[str, Any]:
        found = self.found
        return {
            **{"a": self.a, "b": self.b, "verdict": self.verdict, "notes": [*self.notes, *found.notes]},
            **{"repeats": found.repeats, "looks": list(found.looks.at), "seconds": round(found.seconds, 3)},
            **{"ended": found.stop, "facts": {arm: dict(facts) for arm, facts in found.facts.items()}},
            "overall": _plain(found.overall),
            "carried": sentence(found.overall) if self.bisected and found.overall else None,
            "cells": [
                {
                    "key": row.cell.key,
                    "axes": dict(row.cell.axes),
                    "judgement": _plain(row.judgement),
                    "failed": None if row.failed is None else vars(row.failed),
                }
                for row in found.rows
            ],
        }


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what is in them; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join([first, *others]).rstrip()


def _times(row: Row) -> dict[str, str]:
    """Medians over the repeats of what each arm's step takes, microseconds."""
    if not row.measured:
        return {}
    return {f"{arm}_us": f"{median(each.step_ns[arm] for each in row.measured) / 1e3:.6g}" for arm in (A, B)}


def _judged(judgement: Judgement | None) -> dict[str, object]:
    if judgement is None:
        return {}
    ratio, null = judgement.found[RATIO], judgement.found[NULL].ratio
    numbers = {
        **{"ratio": ratio.ratio.estimate, "ratio_low": ratio.ratio.low, "ratio_high": ratio.ratio.high},
        **{"null_ratio": null.estimate, "null_low": null.low, "null_high": null.high},
        "floor": judgement.floor,
    }
    told = {name: "" if math.isnan(value) else f"{value:.6g}" for name, value in numbers.items()}
    return {**told, "verdict": ratio.verdict}


def _status(row: Row) -> dict[str, object]:
    status, error = (row.failed.status, row.failed.error) if row.failed else (_OK, "")
    return {"repeats": len(row.measured), "status": status, "error": error}


def _words(judgement: Judgement) -> list[str]:
    ratio, null = judgement.found[RATIO], judgement.found[NULL].ratio
    return [
        f"{ratio.ratio.estimate:.3f}",
        _ends(ratio.ratio),
        f"{null.estimate:.3f} {_ends(null)}",
        ratio.verdict,
    ]


def _swaps(judgement: Judgement) -> Iterator[list[str]]:
    named = {**components(judgement), **{n: f for n, f in judgement.found.items() if n not in (NULL,)}}
    for name, each in named.items():
        told = "all of it" if name == RATIO else name
        yield [told, f"{each.ratio.estimate:.3f}", _ends(each.ratio), each.verdict]


def _ends(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"[{interval.low:.3f}, {interval.high:.3f}]"


def _plain(judgement: Judgement | None) -> dict[str, Any] | None:
    if judgement is None:
        return None
    found: Mapping[str, Any] = {
        name: {
            **{"ratio": each.ratio.estimate, "verdict": each.verdict},
            **{"low": _number(each.ratio.low), "high": _number(each.ratio.high)},
        }
        for name, each in judgement.found.items()
    }
    return {"floor": judgement.floor, "found": dict(found)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
