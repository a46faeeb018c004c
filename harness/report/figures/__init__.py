"""All figures of a report.

In: a tidy table. Out: SVG and PNG files, a Figure for each, and sentences on what was not drawn. Must not know
the page that shows them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd

from harness.report.figures import layer_time, modes, scaling, speedup, step_time
from harness.report.figures.kind import Context, Kind
from harness.report.figures.parallel import mapped
from harness.report.figures.save import save
from harness.report.figures.sheet import Headline
from harness.report.figures.style import mode_styles, theme
from harness.report.formats import count, one_line
from harness.report.result import Figure
from harness.report.slices import SLICE_AXES, Slice, chosen, split, varying, words

KINDS: tuple[Kind, ...] = (modes.KIND, speedup.KIND, step_time.KIND, scaling.KIND, layer_time.KIND)

# Drawing is most of the time of a report. Three slices of a kind show both ends and one more; nine figures are
# what a reader looks through, and what two slow cores draw in about two seconds.
MOST_SLICES = 3
MOST_FIGURES = 9
MOST_NAMED = 24


@dataclass(frozen=True)
class Drawn:
    """Figures in the order of the page; a sentence per kind of which slices were left out."""

    figures: list[Figure]
    omitted: list[str]


def _slug(texts: Iterable[str]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(texts).lower()).strip("-")[:80].strip("-")


def _omitted(kind: Kind, left: list[Slice], names: Collection[str]) -> str:
    named = [", ".join(words(part.values, names)) for part in left[:MOST_NAMED]]
    more = f"; and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
    return (
        f"Not drawn: {kind.name} for {count(len(left), 'more slice')} ({'; '.join(named)}{more}); "
        "`harness report RUN --all-figures` draws them."
    )


def _headline(kind: Kind, part: Slice, names: Collection[str]) -> Headline:
    """What differs within the report stands in the title, the rest below."""
    first = [*names, "run", "devices", "width", "family", "workload"]
    always = [name for name in first if name not in ("emulated", "device_name", "device_kind")]
    values = part.values
    if not values["run"]:
        always = [name for name in always if name != "run"]
    beside = [name for name in ("dtype", "controller") if name not in names]
    device = f"{values['device_name'] or 'unnamed device'} ({values['device_kind']})"
    title = f"{kind.title}: {', '.join(words(values, always))}"
    return Headline(title, ", ".join([device, *words(values, beside)]), part.emulated)


def _allotted(wanted: list[int]) -> list[int]:
    """How many slices of each kind to draw: one of every kind, then a second of every kind, and so on."""
    given = [0] * len(wanted)
    for turn in range(MOST_SLICES):
        for place, number in enumerate(wanted):
            if turn < number and (turn == 0 or sum(given) < MOST_FIGURES):
                given[place] += 1
    return given


@dataclass(frozen=True)
class _Task:
    """One figure to draw; holds only what can be sent to another process."""

    kind: Kind
    part: Slice
    headline: Headline
    context: Context
    folder: Path
    name: str


def _draw_one(task: _Task) -> Figure | str:
    """The figure, or a sentence why there is none: a figure that fails must not cost the report."""
    kind, title = task.kind, task.headline.title
    try:
        with matplotlib.rc_context(theme()):
            picture, caption = kind.draw(task.part, task.headline, task.context)
            width, height = (round(96 * inches) for inches in picture.get_size_inches())
            svg, png = save(picture, task.folder, task.name)
    except Exception as error:
        return f"Could not draw {title}: {type(error).__name__}: {one_line(str(error), 200)}."
    return Figure(kind.name, title, caption, svg, png, width, height, task.part.emulated)


def draw(
    points: pd.DataFrame,
    folder: Path,
    *,
    all_figures: bool = False,
    strong: Collection[str] = (),
) -> Drawn:
    """Draw every kind that has at least two values to compare, into `folder`.

    strong: labels of runs with strong scaling ("" for a single run), where `batch` counts samples in all.
    """
    tasks: list[_Task] = []
    omitted: list[str] = []
    if points.empty:
        return Drawn([], [])
    styles = mode_styles(points["mode"])
    differing = varying(points)
    names_of_files: set[str] = set()
    found = [[part for part in split(points, kind.without) if kind.drawable(part.rows)] for kind in KINDS]
    limits = (
        [len(slices) for slices in found] if all_figures else _allotted([len(slices) for slices in found])
    )
    for kind, slices, limit in zip(KINDS, found, limits, strict=True):
        drawn = chosen(slices, limit)
        kept = {id(part) for part in drawn}
        left = [part for part in slices if id(part) not in kept]
        names = [name for name in SLICE_AXES if name in differing and name not in kind.without]
        if left:
            omitted.append(_omitted(kind, left, names))
        for part in drawn:
            in_all = part.values["run"] in strong
            context = Context(styles, f"batch (samples {'in all' if in_all else 'per device'})")
            name = base = _slug([kind.name, *words(part.values, names)])
            while name in names_of_files:
                name = f"{base}-{len(names_of_files)}"
            names_of_files.add(name)
            tasks.append(_Task(kind, part, _headline(kind, part, names), context, folder, name))
    results = mapped(_draw_one, tasks)
    figures = [result for result in results if isinstance(result, Figure)]
    return Drawn(figures, omitted + [result for result in results if isinstance(result, str)])
