"""A history as text, tables and a page.

In: Lines and Changes. Out: texts. Must not know how changes were found, nor where texts go.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from harness.compare.facts import VERSIONS
from harness.compare.shown.words import ends
from harness.core import axes
from harness.core.text import shown
from harness.duel.shown import aligned
from harness.history.changes import FEWEST_RUNS, Change
from harness.history.lines import Entry, Line
from harness.report.csvfile import defused
from harness.report.page import templates
from harness.report.shown.image import inline
from harness.report.table.formats import count

HEADER = ("point", "from run", "speed after / before", "interval", "verdict", "what else changed")
# A page, or a terminal, of more is none that one reads.
MOST_ROWS, MOST_ON_TERMINAL = 2000, 40
OF_LINES = (
    *(
        "key",
        *axes.AXES,
        "machine",
        "run",
        "began",
        "step_us",
        "step_us_low",
        "step_us_high",
        "beside",
        "through",
    ),
    *(name.replace(" ", "_") for name in VERSIONS),
)
OF_CHANGES = (
    *(
        "key",
        *axes.AXES,
        "machine",
        "before",
        "after",
        "began",
        "ratio",
        "ratio_low",
        "ratio_high",
        "verdict",
    ),
    "versions",
)


@dataclass(frozen=True)
class History:
    """root: the folder. left_out: sentences on runs that are not in it."""

    root: str
    lines: tuple[Line, ...]
    changes: tuple[Change, ...]
    left_out: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        return len({id(entry.side) for line in self.lines for entry in line.entries})

    @property
    def short(self) -> int:
        """Lines with too few runs for a change."""
        return sum(len(line.entries) < FEWEST_RUNS for line in self.lines)

    def as_text(self) -> str:
        return "\n".join(map(shown, self._text()))

    def _text(self) -> Iterator[str]:
        yield headline(self)
        yield from self.notes()
        rows = table(self.changes[:MOST_ON_TERMINAL])
        if rows:
            yield ""
            yield from aligned([HEADER, *rows])
        if len(self.changes) > MOST_ON_TERMINAL:
            yield f"  and {len(self.changes) - MOST_ON_TERMINAL} more: changes.csv"

    def notes(self) -> Iterator[str]:
        if self.short:
            yield (
                f"{count(self.short, 'line')} of {len(self.lines)} {'has' if self.short == 1 else 'have'} fewer than "
                f"{FEWEST_RUNS} runs: nothing is called a change there."
            )
        machines = dict.fromkeys(line.machine for line in self.lines)
        if len(machines) > 1:
            yield f"Of {len(machines)} machines, each with lines of its own."
        yield from (f"Left out: {text}" for text in self.left_out)

    def as_csv(self) -> str:
        """A row a point and run."""
        return _csv(OF_LINES, (_of_entry(line, entry) for line in self.lines for entry in line.entries))

    def changes_as_csv(self) -> str:
        return _csv(OF_CHANGES, (_of_change(change) for change in self.changes))

    def as_html(self, figure: bytes) -> str:
        """figure: SVG."""
        return (
            templates()
            .get_template("history.html.j2")
            .render(
                title=f"History of {self.root}",
                written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                headline=headline(self),
                notes=list(self.notes()),
                table=(HEADER, table(self.changes[:MOST_ROWS])),
                image=inline(figure),
                runs=(("run", "begun", *VERSIONS), list(_runs(self))),
            )
        )


def headline(history: History) -> str:
    lines = count(len(history.lines), "line")
    return f"{count(len(history.changes), 'change')} in {lines} over {count(history.runs, 'run')} of {history.root}"


def table(changes: Sequence[Change]) -> list[list[str]]:
    return [
        [
            change.line.label,
            change.after.side.label,
            f"{change.ratio.estimate:.3f}",
            ends(change.ratio),
            change.verdict,
            change.reason,
        ]
        for change in changes
    ]


def _runs(history: History) -> Iterator[list[str]]:
    sides = {id(entry.side): entry.side for line in history.lines for entry in line.entries}
    for side in sorted(sides.values(), key=lambda side: side.began):
        yield [side.label, side.began, *(side.facts.get(name, "") for name in VERSIONS)]


def _of_entry(line: Line, entry: Entry) -> Mapping[str, object]:
    facts = {name.replace(" ", "_"): entry.side.facts.get(name, "") for name in VERSIONS}
    step = entry.step
    numbers = {
        "step_us": step.estimate,
        "step_us_low": step.low,
        "step_us_high": step.high,
        "beside": entry.beside,
    }
    if not line.axes:  # of all cells together there is no step
        numbers = {"beside": entry.beside}
    return {
        **_of_line(line),
        **{"run": entry.side.label, "began": entry.side.began, "through": line.through},
        **{name: _digits(value) for name, value in numbers.items()},
        **facts,
    }


def _of_change(change: Change) -> Mapping[str, object]:
    ratio = change.ratio
    numbers = {"ratio": ratio.estimate, "ratio_low": ratio.low, "ratio_high": ratio.high}
    return {
        **_of_line(change.line),
        **{"before": change.before.side.label, "after": change.after.side.label},
        **{"began": change.after.side.began, "verdict": change.verdict, "versions": change.reason},
        **{name: _digits(value) for name, value in numbers.items()},
    }


def _of_line(line: Line) -> dict[str, object]:
    return {"key": line.key, **line.axes, "machine": line.machine}


def _csv(columns: Sequence[str], rows: Iterator[Mapping[str, object]]) -> str:
    made = io.StringIO()
    writer = csv.DictWriter(made, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: defused(value) for name, value in row.items()} for row in rows)
    return made.getvalue()


def _digits(value: float) -> float | str:
    return float(f"{value:.6g}") if math.isfinite(value) else ""
