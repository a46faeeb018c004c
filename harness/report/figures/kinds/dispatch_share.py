"""The share of a step that is dispatch, as a heat map of depth and batch, a panel per mode.

In: a slice. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

import matplotlib.figure
import pandas as pd

from harness.report.figures.drawing.heatmap import Shades, Square
from harness.report.figures.drawing.maps import NOT_SWEPT, Record, cells, draw_maps, measured, two_ways
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.kind import STARRED, Context, Kind, warned
from harness.report.table.formats import listed
from harness.report.table.slices import Slice
from harness.report.table.tidy import mode_rank

# One hue from light to dark: more of it is more waiting.
SHADES = Shades("flare", 0.0, 1.0)
TICKS = {share / 4: f"{25 * share} %" for share in range(5)}


def drawable(rows: pd.DataFrame) -> bool:
    known = rows[rows["ok"] & rows["dispatch_share"].notna()]
    # On CPU a mode without Python is the measure: without one there is nothing to compare with.
    measured = (known["device_kind"] != "cpu") | known["python_free"]
    return two_ways(rows) and bool(measured.any())


def _cell(row: Record) -> Square:
    if not row["ok"]:
        return Square(str(row["status"]))
    share = row["dispatch_share"]
    if share != share:
        return Square("unknown")
    # The same everywhere in the report: a share that noise made negative is none.
    share = min(max(share, 0.0), 1.0)
    text, star = f"{100 * share:.0f} %", "*" if row["marked"] else ""
    # Where nothing is decided, the cell must not look as if it were.
    return Square(f"{text} ~{star}", unsure=True) if row["share_undecided"] else Square(text + star, share)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows, absent = measured(part.rows)
    maps = cells(rows, ["ok", "status", "marked", "share_undecided", "dispatch_share"], _cell)
    figure = draw_maps(rows, maps, headline, context, shades=SHADES, ticks=lambda _: TICKS)
    if part.values["device_kind"] == "cpu":
        without = sorted(set(rows.loc[rows["python_free"], "mode"]), key=mode_rank)
        caption = (
            "Share of a step that would be saved by the cell's fastest mode without Python, here the fastest of "
            f"{listed(without)}, which has 0 % by definition: on CPU host and device are the same cores, so that "
            "nothing waits and there is no other measure. What such a mode saves beside Python (fused operations) is "
            "in it too. "
        )
        if rows["share_undecided"].any():
            caption += (
                "Grey italics with ~: undecided, this mode is shown neither to be slower than that one, "
                "beyond noise, nor to be as fast. "
            )
    else:
        caption = "Share of a step during which the device waits for work: 1 - device time / step time. "
    return (
        figure,
        f"{caption}Dark: dispatch decides; light: the work itself. {NOT_SWEPT}{absent}{warned(rows, STARRED)}",
    )


KIND = Kind("dispatch_share", "Dispatch share", frozenset(), drawable, draw)
