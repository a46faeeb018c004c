"""A heat map of depth and batch for each mode: what several kinds of figure look like.

In: rows of one slice, what a cell shows, a colour scale. Out: a figure. Must not know what is mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.heatmap import Shades, Square, colour_bar, numbers, paint
from harness.report.figures.drawing.sheet import Headline, sheet
from harness.report.figures.kind import Context
from harness.report.table.formats import listed

CELL = (0.66, 0.36)  # inches; room for `1.02x ~`
WIDEST = 10.8  # inches of panels side by side
LEFT = 0.72
NOT_SWEPT = "Hatched cells were not measured and say why; - stands for what is not in the sweep."

Maps = Mapping[str, Mapping[tuple[int, int], Square]]
Record = Mapping[Hashable, Any]


def two_ways(rows: pd.DataFrame) -> bool:
    """Whether there are two batches or, failing that, two depths."""
    return bool(max(rows["batch"].nunique(), rows["depth"].nunique()) >= 2)


def measured(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of modes with at least one time, and a sentence on the others: a panel of theirs would be empty."""
    some = rows["ok"].groupby(rows["mode"]).transform("any").astype(bool)
    absent = [
        f"{mode} ({listed(own.unique())})"
        for mode, own in rows[~some].sort_values("mode").groupby("mode")["status"]
    ]
    return rows[
        some
    ], f" Without a panel, since no cell of theirs was measured: {listed(absent)}." if absent else ""


def axes(rows: pd.DataFrame) -> tuple[str, str]:
    """What goes down and what across."""
    return ("depth", "batch") if rows["batch"].nunique() >= 2 else ("batch", "depth")


def cells(rows: pd.DataFrame, names: Sequence[str], cell: Callable[[Record], Square]) -> Maps:
    """Maps by mode. names: the columns from which `cell` tells what stands in a cell."""
    down, across = axes(rows)
    records = rows[["mode", down, across, *names]].to_dict("records")
    maps: dict[str, dict[tuple[int, int], Square]] = {}
    for record in records:
        place = (int(record[down]), int(record[across]))
        maps.setdefault(str(record["mode"]), {})[place] = cell(record)
    return maps


def draw_maps(
    rows: pd.DataFrame,
    maps: Maps,
    headline: Headline,
    context: Context,
    *,
    shades: Shades,
    ticks: Callable[[float], Mapping[float, str]],
    handles: Sequence[Any] = (),
) -> matplotlib.figure.Figure:
    """ticks: texts at the colour bar, given its width in inches."""
    down, across = axes(rows)
    lines = sorted(int(value) for value in rows[down].unique())
    columns = sorted(int(value) for value in rows[across].unique())
    modes = [mode for mode in context.styles if mode in maps]
    size = (max(len(columns) * CELL[0], 1.4), max(len(lines) * CELL[1], 0.5))
    # Many modes get a fourth column where it fits, so that one look takes them in.
    most = 3 if len(modes) <= 6 else 5
    side_by_side = max(1, min(most, int(WIDEST / (size[0] + 0.2))))
    paper = sheet(
        *(headline, len(modes), size),
        columns=side_by_side,
        handles=handles,
        left=LEFT,
        below=1.12,
        gaps=(0.2, 0.36),
    )
    for mode, panel in zip(modes, paper.panels, strict=True):
        panel.title(mode)
        own = maps[mode]
        paint(panel, [[own.get((row, column), Square("-")) for column in columns] for row in lines], shades)
        numbers(panel, [value or "" for value in lines], columns)
    batch, depth = context.batch_label, "depth (layers)"
    paper.name_axes(*((batch, "depth" if any(lines) else "") if across == "batch" else (depth, "batch")))
    width = max(min(min(side_by_side, len(modes)) * size[0], 4.0), 2.4)
    colour_bar(paper.figure, shades, ticks(width), LEFT, 0.68 if handles else 0.4, width)
    return paper.figure
