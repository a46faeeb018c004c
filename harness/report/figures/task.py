"""One figure to draw, here or in another process.

In: a Task. Out: its two files, and a Figure or why there is none. Must not know any single kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.figure

from harness.report.failures import Failure
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import theme
from harness.report.figures.save import files_of, save
from harness.report.result import Figure


@dataclass(frozen=True)
class Task:
    """Holds only what can be sent to another process. draw: answers figure and caption. name: of the files in
    figures/ below `root`. label, of: as those of Figure."""

    kind: str
    headline: Headline
    draw: partial[tuple[matplotlib.figure.Figure, str]]
    root: Path
    name: str
    label: str = ""
    of: tuple[tuple[str, Any], ...] = ()


def carried_out(task: Task) -> Figure | Failure:
    """The figure, or why there is none: a figure that fails must not cost the report."""
    title = task.headline.title
    try:
        with matplotlib.rc_context(theme()):
            picture, caption = task.draw()
            width, height = (round(96 * inches) for inches in picture.get_size_inches())
            svg, png = save(picture, task.root, task.name)
    except Exception as error:
        return Failure.of(files_of(task.name)[0], error)
    return Figure(
        task.kind, title, caption, svg, png, width, height, task.headline.emulated, task.label, task.of
    )
