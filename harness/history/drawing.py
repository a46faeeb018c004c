"""The figure of a history: a panel a line, a mark a run, a red line where it changed.

In: Lines and Changes. Out: PNG or SVG. Must not know how changes were found.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.warnings import EMULATED, carries
from harness.history.changes import Change
from harness.history.lines import Line
from harness.history.shown import History
from harness.report.plotting import load_matplotlib
from harness.report.table.formats import one_line
from harness.report.table.tidy import EMULATED_MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS, COLUMNS = 24, 3
WIDTH, HEIGHT = 3.4, 2.1
TIME, MEASURED, CHANGE = "#0173b2", "#b9c4cc", "#b00020"
# Letters of a panel's title, and of what else changed.
MOST_LETTERS, MOST_REASON = 46, 40


def draw(history: History, kind: str = "png") -> bytes:
    """kind: png or svg."""
    load_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from harness.report.figures.drawing.style import theme

    lines = shown_lines(history)
    rows = max(1, math.ceil(len(lines) / COLUMNS))
    columns = max(1, min(COLUMNS, len(lines)))
    with mpl.rc_context(theme()):
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + 0.5), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for ax, line in zip(axes, lines, strict=False):
            _panel(ax, line, [change for change in history.changes if change.line is line])
        for ax in axes[len(lines) :]:
            ax.set_axis_off()
        left = len(history.lines) - len(lines)
        title = "Step time in each run, in the order of time, with 95 % interval (grey)\n"
        title += "and at the usual state of the machine, as the other cells tell it (blue)"
        title += f"; {left} further lines are in history.csv" if left else ""
        if any(_is_emulated(line) for line in lines):
            title += f"\n{EMULATED_MARK}"
        figure.suptitle(title, fontsize="medium")
        into = io.BytesIO()
        figure.savefig(into, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else {})
        return into.getvalue()


def shown_lines(history: History) -> list[Line]:
    """Those that changed first."""
    changed = {id(change.line) for change in history.changes}
    ordered = sorted(history.lines, key=lambda line: (id(line) not in changed, bool(line.axes)))
    return ordered[:MOST_PANELS]


def _panel(ax: Axes, line: Line, changes: Sequence[Change]) -> None:
    for place, entry in enumerate(line.entries):
        step = entry.step
        if not math.isnan(step.low):
            ax.plot([place, place], [step.low, step.high], color=MEASURED, linewidth=1.2, zorder=1)
    ax.plot([entry.step.estimate for entry in line.entries], "_", color=MEASURED, markersize=5, zorder=1)
    ax.plot([entry.beside for entry in line.entries], "o-", color=TIME, markersize=3, linewidth=0.8, zorder=2)
    for change in changes:
        at = line.entries.index(change.after) - 0.5
        ax.axvline(at, color=CHANGE, linewidth=1.0)
        told = f"{100 * (change.ratio.estimate - 1):+.1f} %  {one_line(change.reason, MOST_REASON)}"
        above = ax.get_xaxis_transform()
        ax.text(at, 1.0, told, color=CHANGE, fontsize="x-small", transform=above, ha="center", va="bottom")
    several = "\n" if changes else ""
    ax.set_title(one_line(line.label, MOST_LETTERS) + several, fontsize="small")
    ax.set_ylabel("us" if line.axes else "over what is usual", fontsize="small")
    first, last = (line.entries[place].side.began[:10] for place in (0, -1))
    ax.set_xlabel(f"{first} to {last}" if first != last else first, fontsize="small")
    ax.set_xticks([])
    ax.margins(y=0.15)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _is_emulated(line: Line) -> bool:
    return any(
        carries(text, EMULATED) for entry in line.entries[:1] for text in entry.side.points["warnings"]
    )
