"""The figure of a diagnosis: the ladder of a step, of one layer, and what is predicted beside what was measured.

In: a Diagnosis. Out: PNG or SVG. Must not know how anything was measured.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from harness.core.stats.intervals import Interval
from harness.diagnosis.parts.ladder import Ladder
from harness.diagnosis.shown.words import microseconds
from harness.report.plotting import load_matplotlib
from harness.report.table.tidy import EMULATED_MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.diagnosis.shown.result import Diagnosis

COLOURS = {
    "modules": "#de8f05",
    "frames": "#cc78bc",
    "dispatcher": "#0173b2",
    "autograd": "#56b4e9",
    "allocator": "#949494",
    "kernels": "#029e73",
    "launches": "#ca9161",
    "caches": "#fbafe4",
    "unexplained": "#bbbbbb",
}
WORDS = {"modules": "module calls", "frames": "Python frames", "caches": "colder caches"}
ROW_HEIGHT, HEIGHT_BESIDE, WIDTH = 0.34, 1.25, 4.2
PREDICTED, MEASURED, EAGER = "#0173b2", "#b00020", "#222222"
MOST_LETTERS = 60


def draw(found: Diagnosis, kind: str = "png") -> bytes:
    """kind: png or svg."""
    load_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from harness.report.figures.drawing.style import theme

    panels = [(f"{'The step' if found.measured.synchronous else 'Issuing the step'}", found.measured.ladder)]
    if found.measured.layer is not None:
        panels.append((f"One layer ({found.measured.layer[0]})", found.measured.layer[1]))
    ladders = [(title, ladder) for title, ladder in panels if ladder is not None]
    count = len(ladders) + bool(found.predicted)
    rows = max([len(ladder.parts) + 1 for _, ladder in ladders] + [len(found.predicted) + 1])
    with mpl.rc_context(theme()):
        figure = Figure(
            figsize=(WIDTH * max(count, 1), ROW_HEIGHT * rows + HEIGHT_BESIDE), layout="constrained"
        )
        axes: list[Any] = list(figure.subplots(1, max(count, 1), squeeze=False)[0])
        for (title, ladder), ax in zip(ladders, axes, strict=False):
            _parts(ax, title, ladder)
        if found.predicted:
            _what_if(axes[-1], found)
        name = found.name if len(found.name) <= MOST_LETTERS else found.name[: MOST_LETTERS - 3] + "..."
        if found.is_emulated:
            name += f"\n{EMULATED_MARK}"
        figure.suptitle(name, fontsize="large")
        return _saved(figure, kind)


def _parts(ax: Axes, title: str, ladder: Ladder) -> None:
    bars = [(part.name, part.us) for part in ladder.parts] + [("unexplained", ladder.unexplained)]
    for place, (name, us) in enumerate(bars):
        ax.barh(place, us.estimate, color=COLOURS.get(name, "#888888"), height=0.7)
        _whisker(ax, place, us, "#222222")
    widest = max(max(us.high, us.estimate) for _, us in bars)
    lowest = min(0.0, *(us.low for _, us in bars))
    ax.set_xlim(lowest * 1.05, widest * 1.3)
    for place, (_, us) in enumerate(bars):
        ax.text(max(us.high, us.estimate, 0.0) + 0.02 * widest, place, microseconds(us.estimate), va="center")
    ax.axvline(0, color="#888888", linewidth=0.8)
    _rows(ax, [WORDS.get(name, name) for name, _ in bars])
    ax.set_title(f"{title}: {microseconds(ladder.whole.estimate)} us")
    ax.set_xlabel("microseconds, with 95 % interval")


def _what_if(ax: Axes, found: Diagnosis) -> None:
    measured = {each.change: each.us for each in found.verified if each.us is not None}
    for place, each in enumerate(found.predicted):
        base = each.instead_of_us
        _whisker(ax, place, each.us.times(1 / base), PREDICTED, width=4.0)
        ax.plot(
            each.us.estimate / base, place, "o", color=PREDICTED, label="predicted" if not place else None
        )
        if each.change in measured:
            ax.plot(measured[each.change].estimate / base, place, "D", color=MEASURED, markersize=5, zorder=4)
    if measured:
        ax.plot([], [], "D", color=MEASURED, markersize=5, label="measured afterwards")
    ax.vlines(1, -0.6, len(found.predicted) - 0.4, color=EAGER, linewidth=0.8, linestyle="--")
    ax.set_xlim(left=0)
    _rows(ax, [each.change for each in found.predicted])
    ax.set_ylim(len(found.predicted) - 0.4, -0.6 - 0.9)  # room for the legend above the first row
    ax.legend(loc="upper left", ncols=2, borderaxespad=0.1, handletextpad=0.3, columnspacing=1.0)
    ax.set_title("What if")
    ax.set_xlabel("step time over what it is held against")


def _whisker(ax: Axes, place: int, interval: Interval, colour: str, width: float = 1.2) -> None:
    alpha = 1.0 if width < 2 else 0.35
    ax.plot(
        [interval.low, interval.high], [place, place], color=colour, linewidth=width, alpha=alpha, zorder=3
    )


def _rows(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _saved(figure: Figure, kind: str) -> bytes:
    into = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(into, format=kind, dpi=150, metadata=metadata)
    return into.getvalue()
