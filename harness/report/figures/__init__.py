"""All figures of a report.

In: a tidy table. Out: SVG and PNG files, a Figure for each, and sentences on what was not drawn. Must not know
the page that shows them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
import pandas as pd

from harness.analysis.sampled.over_time import Timeline
from harness.core.files.made import Made
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import mode_styles, theme
from harness.report.figures.kind import Context, Kind
from harness.report.figures.kinds import (
    controllers,
    dispatch_share,
    energy,
    feedable,
    ladder,
    layer_time,
    modes,
    predicted,
    scaling,
    speedup,
    step_time,
    timeline,
    utilisation,
)
from harness.report.figures.parallel import mapped
from harness.report.figures.save import files_of, save
from harness.report.result import FIGURES, Figure
from harness.report.table.formats import count, listed, one_line
from harness.report.table.slices import SLICE_AXES, Slice, chosen, split, varying, words

# In the order of the page: what the report is about first.
KINDS: tuple[Kind, ...] = (
    *(modes.KIND, ladder.KIND, controllers.KIND, speedup.KIND, dispatch_share.KIND, step_time.KIND),
    *(scaling.KIND, feedable.KIND, utilisation.KIND, energy.KIND, layer_time.KIND, predicted.KIND),
)

# Drawing is most of the time of a report. Three slices of a kind show both ends and one more; ten figures are
# what a reader looks through (of more kinds than that, one each), and what two slow cores draw in about two seconds.
MOST_SLICES = 3
MOST_FIGURES = 10
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
    title = ": ".join(filter(None, [kind.title, ", ".join(words(values, always))]))
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
    """One figure to draw; holds only what can be sent to another process. draw: answers figure and caption."""

    kind: str
    headline: Headline
    draw: partial[tuple[matplotlib.figure.Figure, str]]
    root: Path
    name: str


def _draw_one(task: _Task) -> Figure | str:
    """The figure, or a sentence why there is none: a figure that fails must not cost the report."""
    title = task.headline.title
    try:
        with matplotlib.rc_context(theme()):
            picture, caption = task.draw()
            width, height = (round(96 * inches) for inches in picture.get_size_inches())
            svg, png = save(picture, task.root, task.name)
    except Exception as error:
        return f"Could not draw {title}: {type(error).__name__}: {one_line(str(error), 200)}."
    return Figure(task.kind, title, caption, svg, png, width, height, task.headline.emulated)


def _of_timelines(points: pd.DataFrame, timelines: Mapping[str, Timeline], root: Path) -> Iterator[_Task]:
    """A figure for each run that was sampled."""
    for place, (run, line) in enumerate(timelines.items()):
        own = points[points["run"] == run]
        if own.empty or not timeline.drawable(line):
            continue
        devices = listed(f"{name or 'unnamed device'}" for name in dict.fromkeys(own["device_name"]))
        title = f"Utilisation and power over time{f': run {run}' if run else ''}"
        headline = Headline(
            title, f"{devices}; the shaded stretches are named below", bool(own["emulated"].all())
        )
        draw = partial(timeline.draw, line, headline)
        yield _Task(
            timeline.KIND, headline, draw, root, _slug([timeline.KIND, str(place + 1) if run else ""])
        )


def draw(
    points: pd.DataFrame,
    made: Made,
    *,
    all_figures: bool = False,
    strong: Collection[str] = (),
    installed: Mapping[str, int] | None = None,
    timelines: Mapping[str, Timeline] | None = None,
) -> Drawn:
    """Draw every kind that has at least two values to compare, into figures/ of a folder.

    strong: labels of runs with strong scaling ("" for a single run), where `batch` counts samples in all.
    installed: devices of the node by label of the run, as far as they are known.
    timelines: what was sampled beside each run, by its label.
    """
    tasks: list[_Task] = []
    omitted: list[str] = []
    if points.empty:
        return Drawn([], [])
    styles = mode_styles(points["mode"])
    differing = varying(points)
    names_of_files: set[str] = set()
    slices_without = {axes: split(points, axes) for axes in {kind.without for kind in KINDS}}
    found = [[part for part in slices_without[kind.without] if kind.drawable(part.rows)] for kind in KINDS]
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
            batch_label = f"batch (samples {'in all' if in_all else 'per device'})"
            context = Context(styles, batch_label, installed or {})
            name = base = _slug([kind.name, *words(part.values, names)])
            while name in names_of_files:
                name = f"{base}-{len(names_of_files)}"
            names_of_files.add(name)
            headline = _headline(kind, part, names)
            tasks.append(
                _Task(kind.name, headline, partial(kind.draw, part, headline, context), made.folder, name)
            )
    tasks += _of_timelines(points, timelines or {}, made.folder)
    made.claim(FIGURES, *(file for task in tasks for file in files_of(task.name)))
    results = mapped(_draw_one, tasks)
    figures = [result for result in results if isinstance(result, Figure)]
    return Drawn(figures, omitted + [result for result in results if isinstance(result, str)])
