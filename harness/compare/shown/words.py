"""What is said of a comparison, in words and rows that text, markdown and page share.

In: a Comparison. Out: sentences, rows of texts. Must not know how they are set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.compare.compared import VERDICTS, Comparison, Judged, Row
from harness.compare.left_out import label
from harness.compare.ratios import OTHER_CELLS, TIMES
from harness.core.stats.intervals import Interval
from harness.core.stats.verdicts import threshold
from harness.core.warnings import WARNINGS
from harness.report.table.formats import count, listed, one_line

HEADER = ("point", "a us", "b us", "b's speed / a's", "interval", "us a step", "through", "verdict")
LEFT_OUT_HEADER = ("point", "why")
DIFFERENCES_HEADER = ("", "a", "b")
# Of more modes the table has their names.
MOST_NAMED = 4
_THROUGH = {
    OTHER_CELLS: "beside the eager of other cells in the same sessions",
    TIMES: "by step times alone, with how far the machine drifts between sweeps",
}


def headline(found: Comparison) -> str:
    """The verdict first."""
    if not found.rows:
        return f"{found.b} beside {found.a}: no point could be compared"
    counts = ", ".join(f"{number} {verdict}" for verdict, number in found.counts.items() if number)
    what = "" if found.is_change else " (two machines, and no change)"
    return f"{found.b} beside {found.a}{what}: {counts} of {count(len(found.rows), 'point')}"


def summary(found: Comparison) -> Iterator[str]:
    """What all points say together."""
    if found.overall:
        yield f"All together, B's speed over A's: {judged(found.overall)}."
    if found.common:
        yield (
            f"What the step times have in common: {judged(found.common)}. It is the machine's state, or a change of "
            "all; a duel tells them apart."
        )
    if not found.rows:
        return
    least = threshold(found.floor)
    if math.isinf(least):
        yield "Two builds of the same differ by more than 3 % in these runs: nothing can be told."
    else:
        yield f"Less than {100 * least:.1f} % is not told from none; verdicts are corrected for the number of points."
    ways = dict.fromkeys(row.through for row in found.rows)
    said = [text for way, text in _THROUGH.items() if way in ways]
    if modes := sorted(one_line(way, 40) for way in ways if way not in _THROUGH):
        beside = listed(modes, "or") if len(modes) <= MOST_NAMED else "another mode"
        said.insert(0, f"beside {beside} of the same cell and rounds")
    yield f"Compared {'; '.join(said)}."


def judged(each: Judged) -> str:
    return f"{each.ratio.estimate:.3f} {ends(each.ratio)} {each.verdict}".replace("  ", " ")


def notes(found: Comparison) -> Iterator[str]:
    yield from found.notes
    if disturbed := sum(row.disturbed > 0 for row in found.rows):
        yield (
            f"{count(disturbed, 'point')} of {len(found.rows)}: a session in which it alone was disturbed is left out "
            "of its ratio (disturbed in compare.csv); it is in a us and b us."
        )
    counts: dict[str, int] = {}
    for row in found.rows:
        for name in row.warnings:
            counts[name] = counts.get(name, 0) + 1
    for name, number in sorted(counts.items(), key=lambda item: -item[1]):
        advice = WARNINGS[name].advice if name in WARNINGS else "no advice is known"
        yield f"{name} ({number} of {count(len(found.rows), 'point')}): {advice}."


def table(rows: Sequence[Row]) -> list[list[str]]:
    return [_row(row) for row in rows]


def _row(row: Row) -> list[str]:
    ratio = row.judged.ratio
    return [
        label(row.axes),
        f"{row.a_us:.4g}" if row.a_us < 10_000 else f"{row.a_us:.0f}",
        f"{row.b_us:.4g}" if row.b_us < 10_000 else f"{row.b_us:.0f}",
        f"{ratio.estimate:.3f}",
        ends(ratio),
        f"{row.impact_us:+.3g}" if abs(row.impact_us) < 1000 else f"{row.impact_us:+.0f}",
        one_line(row.through, 40),
        row.judged.verdict,
    ]


def ends(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"[{interval.low:.3f}, {interval.high:.3f}]"


def ordered(found: Comparison) -> list[Row]:
    """Those that changed first, by microseconds; the others by verdict, in A's order."""
    movers = found.movers
    keys = {row.key for row in movers}
    rest = [row for row in found.rows if row.key not in keys]
    return [*movers, *sorted(rest, key=lambda row: VERDICTS.index(row.judged.verdict))]


def why_left_out(found: Comparison) -> str:
    """How many points of either are not compared, by reason; "" for none."""
    counts: dict[str, int] = {}
    for each in found.left_out:
        counts[each.why] = counts.get(each.why, 0) + 1
    told = [f"{number} {why}" for why, number in sorted(counts.items(), key=lambda item: -item[1])]
    return f"Left out: {listed(told)}." if told else ""
