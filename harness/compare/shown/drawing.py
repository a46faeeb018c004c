"""The figure of a comparison: a bar a point by how much faster B is, coloured by verdict.

In: a Comparison. Out: PNG or SVG. Must not know how anything was compared.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from harness.compare.compared import VERDICTS, Comparison, Row
from harness.compare.left_out import label
from harness.compare.shown.words import headline
from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED, threshold
from harness.core.warnings import EMULATED
from harness.report.plotting import load_matplotlib
from harness.report.table.formats import one_line, wrapped
from harness.report.table.tidy import EMULATED_MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {SLOWER: "#b00020", FASTER: "#029e73", SAME: "#0173b2", UNDECIDED: "#9a9a9a"}
# Beyond so many points the rest is said to be there: a figure is to be taken in at once.
MOST_BARS = 40
ROW_HEIGHT, HEIGHT_BESIDE, WIDTH = 0.24, 1.5, 8.0
MOST_LETTERS, TITLE_LETTERS = 56, 100
# Per cent beyond which an interval is cut off: one wide interval is not to make all bars dots.
_BEYOND = 2.5


def draw(found: Comparison, kind: str = "png") -> bytes:
    """kind: png or svg."""
    load_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from harness.report.figures.drawing.style import theme

    rows = shown_rows(found)
    with mpl.rc_context(theme()):
        figure = Figure(figsize=(WIDTH, ROW_HEIGHT * max(len(rows), 2) + HEIGHT_BESIDE), layout="constrained")
        ax = figure.subplots()
        _bars(ax, found, rows)
        title = "\n".join(wrapped(one_line(headline(found), 200), TITLE_LETTERS))
        if any(EMULATED.name in row.warnings for row in rows):
            title += f"\n{EMULATED_MARK}"
        figure.suptitle(title, fontsize="medium")
        return _saved(figure, kind)


def shown_rows(found: Comparison) -> list[Row]:
    """Of many points those that stand out most; in A's order."""
    if len(found.rows) <= MOST_BARS:
        return list(found.rows)
    changed = {row.key for row in found.movers[:MOST_BARS]}
    rest = [row for row in found.rows if row.key not in changed]
    rest.sort(key=lambda row: -abs(math.log(row.judged.ratio.estimate)))
    kept = changed | {row.key for row in rest[: MOST_BARS - len(changed)]}
    return [row for row in found.rows if row.key in kept]


def _bars(ax: Axes, found: Comparison, rows: list[Row]) -> None:
    least = 100 * threshold(found.floor)
    percents = [_percent(row.judged.ratio.estimate) for row in rows]
    far = max([abs(value) for value in percents] + [2.0 if math.isinf(least) else least * 1.5])
    end = far * _BEYOND
    if not math.isinf(least):
        ax.axvspan(_percent(1 / (1 + least / 100)), least, color="#ececec", zorder=0, linewidth=0)
    ax.axvline(0, color="#555555", linewidth=0.8, zorder=1)
    for place, (row, value) in enumerate(zip(rows, percents, strict=True)):
        colour = COLOURS[row.judged.verdict]
        ax.barh(place, value, color=colour, height=0.62, zorder=2)
        low, high = row.judged.ratio.low, row.judged.ratio.high
        if not math.isnan(low):
            ax.plot(
                [max(_percent(low), -end), min(_percent(high), end)],
                [place, place],
                color="#222222",
                linewidth=1.0,
                zorder=3,
            )
    widest = [
        abs(_percent(e)) for row in rows for e in (row.judged.ratio.low, row.judged.ratio.high) if e == e
    ]
    side = min(max([far, *widest]), end) * 1.08
    ax.set_xlim(-side, side)
    ax.set_yticks(range(len(rows)), [one_line(label(row.axes), MOST_LETTERS) for row in rows])
    ax.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    for edge in ("top", "right", "left"):
        ax.spines[edge].set_visible(False)
    left = len(found.rows) - len(rows)
    more = f"; {left} further points are in the table" if left else ""
    band = "" if math.isinf(least) else f"; grey band: {least:.1f} %, not told from none"
    ax.set_xlabel(f"B's speed over A's, per cent, with 95 % interval{band}{more}")
    _legend(ax, rows)


def _legend(ax: Axes, rows: list[Row]) -> None:
    from matplotlib.patches import Patch

    there = [verdict for verdict in VERDICTS if any(row.judged.verdict == verdict for row in rows)]
    if there:
        handles = [Patch(color=COLOURS[verdict], label=verdict) for verdict in there]
        ax.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles), borderaxespad=0.2
        )


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)


def _saved(figure: Figure, kind: str) -> bytes:
    into = io.BytesIO()
    figure.savefig(into, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
    return into.getvalue()
