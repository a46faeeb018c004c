"""All figures of a report.

In: a tidy table. Out: SVG and PNG files, a Figure for each, and sentences on what was not drawn. Must not know
the page that shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from harness.analysis.sampled.over_time import Timeline
from harness.core.files.made import Made
from harness.core.processes.parallel import mapped
from harness.crossover.values import Crossover
from harness.report.failures import Failure, alone
from harness.report.figures import crossover_devices
from harness.report.figures.choice import Choice, choices, not_drawn
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import mode_styles
from harness.report.figures.kind import Context, Kind
from harness.report.figures.kinds import (
    controllers,
    crossover,
    dispatch_share,
    feedable,
    frameworks,
    ladder,
    modes,
    predicted,
    scaling,
    speedup,
    step_time,
)
from harness.report.figures.kinds.used import energy, memory, timeline, utilisation
from harness.report.figures.save import files_of
from harness.report.figures.task import Task, carried_out
from harness.report.figures.titles import file_name, headline
from harness.report.result import FIGURES, Figure
from harness.report.table.slices import Slice, words

# In the order of the page: what the report is about first.
KINDS: tuple[Kind, ...] = (
    *(
        frameworks.KIND,
        modes.KIND,
        ladder.KIND,
        controllers.KIND,
        speedup.KIND,
        crossover.KIND,
        dispatch_share.KIND,
        step_time.OF_STEP,
    ),
    *(
        scaling.KIND,
        feedable.KIND,
        utilisation.KIND,
        energy.KIND,
        memory.KIND,
        step_time.OF_LAYER,
        predicted.KIND,
    ),
)

# Below this many figures a second process costs more than it saves.
FEWEST_FORKED = 5


@dataclass(frozen=True)
class Drawn:
    """Figures in the order of the page; a sentence per kind of which slices were left out, and per figure that could
    not be drawn; those again."""

    figures: list[Figure]
    omitted: list[str]
    failed: list[Failure] = field(default_factory=list)


def draw(
    points: pd.DataFrame,
    made: Made,
    *,
    all_figures: bool = False,
    strong: Collection[str] = (),
    installed: Mapping[str, int] | None = None,
    timelines: Mapping[str, Timeline] | None = None,
    predicted: Mapping[str, Sequence[Crossover]] | None = None,
    asked: Mapping[str, Any] | None = None,
) -> Drawn:
    """Draw every kind that has at least two values to compare, into figures/ of a folder.

    strong: labels of runs with strong scaling ("" for a single run), where `batch` counts samples in all.
    installed: devices of the node by label of the run, as far as they are known.
    timelines: what was sampled beside each run, by its label. predicted: where the interpreter would stop mattering on
        other devices, by each run's costs. asked: a row by axis; of each kind the slice that holds it is not left out.
    """
    if points.empty:
        return Drawn([], [])
    styles = mode_styles(points["mode"])

    def context_of(part: Slice) -> Context:
        in_all = part.values["run"] in strong
        counted = "in all" if in_all else "per device"
        return Context(styles, f"batch (samples {counted})", installed or {}, in_all)

    made_of = choices(KINDS, points, all_figures=all_figures, asked=asked or {})
    other_devices = list(_of_devices(points, predicted or {}, made.folder))
    most = len(other_devices) if all_figures else crossover_devices.MOST_ROWS
    tasks = [
        *_of_slices(made_of, context_of, made.folder),
        *other_devices[:most],
        *_of_timelines(points, timelines or {}, made.folder),
    ]
    made.claim(FIGURES)
    failed: list[Failure] = []
    claimed = [task for task in tasks if _claimed(task, made, failed)]
    results = mapped(carried_out, claimed, worth_it=len(claimed) >= FEWEST_FORKED)
    figures = [result for result in results if isinstance(result, Figure)]
    failed += [result for result in results if isinstance(result, Failure)]
    titles = {files_of(task.name)[0]: task.headline.title for task in tasks}
    omitted = [choice.omitted for choice in made_of if choice.left]
    omitted += (
        [left]
        if (left := not_drawn(crossover_devices.KIND, [task.label for task in other_devices[most:]]))
        else []
    )
    omitted += [f"Could not draw {titles[failure.file]}: {failure.why}." for failure in failed]
    return Drawn(figures, omitted, failed)


def _claimed(task: Task, made: Made, failed: list[Failure]) -> bool:
    """Whether the names of a figure are ours to take."""
    before = len(failed)
    with alone(files_of(task.name)[0], failed):
        made.claim(*files_of(task.name))
    return len(failed) == before


def _of_slices(
    made_of: Sequence[Choice], context_of: Callable[[Slice], Context], root: Path
) -> Iterator[Task]:
    taken: set[str] = set()
    for choice in made_of:
        for part in choice.drawn:
            name = base = file_name([choice.kind.name, *words(part.values, choice.names)])
            while name in taken:
                name = f"{base}-{len(taken)}"
            taken.add(name)
            head = headline(choice.kind.title, part, choice.names)
            draw = partial(choice.kind.draw, part, head, context_of(part))
            label = ", ".join(words(part.values, choice.names))
            yield Task(choice.kind.name, head, draw, root, name, label, tuple(part.values.items()))


def _of_devices(
    points: pd.DataFrame, predicted: Mapping[str, Sequence[Crossover]], root: Path
) -> Iterator[Task]:
    """Of each run of which something can be predicted a figure for each workload and width."""
    every = [each for found in predicted.values() for each in found]
    several = [name for name in crossover_devices.APART if len({each.of[name] for each in every}) > 1]
    for place, (run, found) in enumerate(predicted.items()):
        own = points[points["run"] == run]
        host = ", ".join(str(name) for name in own["device_name"].unique() if name)
        for part in filter(crossover_devices.drawable, crossover_devices.apart(found)):
            label = ", ".join([*([f"run {run}"] if run else []), *crossover_devices.words(part[0], several)])
            # What an emulated device was measured for here is its host's time, which is none of the emulator's.
            head = Headline(
                ": ".join(filter(None, [crossover_devices.TITLE, label])),
                f"host time fitted to this run (on {host or 'an unnamed device'})",
            )
            numbered = str(place + 1) if run else ""
            name = file_name([crossover_devices.KIND, numbered, *crossover_devices.words(part[0], several)])
            draw = partial(crossover_devices.draw, part, head)
            of = ("run", run), *((name, part[0].of[name]) for name in crossover_devices.APART)
            yield Task(crossover_devices.KIND, head, draw, root, name, label, of)


def _of_timelines(points: pd.DataFrame, timelines: Mapping[str, Timeline], root: Path) -> Iterator[Task]:
    """A figure for each run that was sampled."""
    for place, (run, line) in enumerate(timelines.items()):
        own = points[points["run"] == run]
        if own.empty or not timeline.drawable(line):
            continue
        head = timeline.headline(own, run)
        name = file_name([timeline.KIND, str(place + 1) if run else ""])
        yield Task(timeline.KIND, head, partial(timeline.draw, line, head), root, name, run, (("run", run),))
