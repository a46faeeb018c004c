"""Throughput and scaling efficiency against the number of devices.

In: a slice over device counts. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.figure
import pandas as pd
from matplotlib.lines import Line2D

from harness.core import schema
from harness.report.figures.drawing.over_devices import draw_over_devices
from harness.report.figures.drawing.panel import Scale
from harness.report.figures.drawing.series import draw_modes
from harness.report.figures.drawing.sheet import Headline, hollow_entry, legend_entry, sheet
from harness.report.figures.drawing.style import FAINT, ModeStyle
from harness.report.figures.drawing.ticks import RATE_UNITS, measured_x, unit_for
from harness.report.figures.kind import DOTTED, Context, Kind, corners, present, warned
from harness.report.table.formats import count, listed, percent
from harness.report.table.slices import Slice, cell_words
from harness.report.table.tidy import CONTROLLER_ORDER

# A rank that starts so much later than the first, as a share of the time in which it works, is worth a word.
APART = 0.05
SHARES = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2)


def _good(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["ok"] & (rows["throughput_samples_s"] > 0)]


def drawable(rows: pd.DataFrame) -> bool:
    """Other controllers than a process per device have a figure of their own."""
    own = bool((rows["controller"] == CONTROLLER_ORDER[0]).all())
    return own and bool(_good(rows)["devices"].nunique() >= 2)


def _cells(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """The corners of depth and batch, among cells with at least two device counts where there are any."""
    counts = rows.groupby(["depth", "batch"])["devices"].nunique()
    several = counts.index[counts >= 2]
    return corners((int(depth), int(batch)) for depth, batch in (several if len(several) else counts.index))


def _ideal(rows: pd.DataFrame, styles: Mapping[str, ModeStyle]) -> dict[str, tuple[list[float], list[float]]]:
    """Per mode the ends of its ideal line: its own value on one device, times the number of devices."""
    last = float(rows["devices"].max())
    starts = rows[rows["devices"] == 1].drop_duplicates("mode").set_index("mode")["y"].to_dict()
    return {mode: ([1.0, last], [starts[mode], starts[mode] * last]) for mode in styles if mode in starts}


def _refused(rows: pd.DataFrame) -> str:
    """Device counts with points that have no time."""
    texts = []
    for status, part in rows[~rows["ok"]].groupby("status"):
        counts = listed(sorted(int(value) for value in part["devices"].unique()))
        texts.append(f"{status} on {counts} devices ({count(len(part), 'point')})")
    return f" Not shown: {'; '.join(texts)}." if texts else ""


def _starts_apart(rows: pd.DataFrame, strong: bool) -> str:
    """Of how many points that is much, and of which most; empty where it is of none."""
    rows = _good(rows)
    rows = rows[(rows["devices"] > 1) & (rows["step_us"] > 0)]
    samples = rows["batch"] * (1 if strong else rows["devices"])
    # The part of the wall time in which the slowest rank worked.
    together = rows["throughput_samples_s"] * rows["step_us"] / 1e6 / samples
    apart = together < 1 - APART
    if not apart.any():
        return ""
    most = rows.loc[together.idxmin()]
    where = (
        f"{most['mode']} at {cell_words(most['depth'], most['batch'])} on {count(most['devices'], 'device')}"
    )
    return (
        f" In {apart.sum()} of {count(len(rows), 'point')} that makes more than {percent(APART)}, most for {where}: "
        f"{percent(1 - together.min())} of the throughput that its step time alone would give. A machine that is busy "
        "with other things starts ranks apart; longer blocks (timing.block_ms) make less of it."
    )


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = _good(part.rows)
    cells = _cells(rows)
    rows = rows[pd.MultiIndex.from_frame(rows[["depth", "batch"]]).isin(cells)]
    scale, unit = unit_for(rows["throughput_samples_s"].tolist(), RATE_UNITS)
    rows = rows.assign(y=rows["throughput_samples_s"] / scale)
    styles = present(context.styles, rows)
    parts = [rows[(rows["depth"] == depth) & (rows["batch"] == batch)] for depth, batch in cells]
    ideals = [_ideal(own, styles) for own in parts]
    ends = [end for ideal in ideals for _, line in ideal.values() for end in line]
    handles = [legend_entry(mode, style) for mode, style in styles.items()]
    handles += [Line2D([], [], color=FAINT, label="ideal", **DOTTED)] if ends else []
    handles += [hollow_entry()] if rows["marked"].any() else []
    size = {1: (4.2, 2.1), 2: (2.9, 2.0)}.get(len(cells), (2.1, 1.8))
    columns = len(cells)
    paper = sheet(headline, 2 * columns, size, columns=columns, handles=handles, gaps=(0.2, 0.2), left=1.0)
    low, high = min([*rows["y"], *ends]), max([*rows["y"], *ends])
    best = rows["scaling_efficiency"].max()
    top = max(1.05, 1.08 * best) if best == best else 1.05
    for cell, own, ideal, above, under in zip(cells, parts, ideals, *paper.rows, strict=True):
        above.title(cell_words(*cell))
        lines = [(line, styles[mode].colour) for mode, line in ideal.items()]
        draw_over_devices(above, own, styles, devices=rows["devices"], reach=(low, high), ideals=lines)
        measured_x(under, rows["devices"])
        under.y = Scale(0, top)
        under.grid_y([share for share in SHARES if share <= top])
        under.line([under.x.low, under.x.high], [1, 1], color=FAINT, **DOTTED)
        draw_modes(
            under,
            own,
            styles,
            x="devices",
            y="scaling_efficiency",
            interval=schema.ends("scaling_efficiency"),
        )
    paper.name_axes("devices", "")
    paper.rows[0][0].name_y(f"throughput\n({unit})")
    paper.rows[1][0].name_y("scaling efficiency\n(1 = ideal)")
    chosen = listed(cell_words(*cell, " with ") for cell in cells)
    caption = (
        "Above: all samples per second, logarithmic; dotted: the same mode's value on one device times the number "
        "of devices. Below: the share of that ideal which is reached. Throughput is over the time from the first "
        "rank's start of a block to the last one's end, so that ranks which start or end apart count; step time, that "
        "of the slowest rank, leaves the starts out. "
        f"Chosen: {chosen} (shallowest and deepest, smallest and largest batch)."
    )
    if not ends:
        caption += " One device was not measured, so that there is no ideal line and no efficiency."
    return paper.figure, caption + _starts_apart(part.rows, context.strong) + warned(rows) + _refused(
        part.rows
    )


KIND = Kind("scaling", "Scaling over devices", frozenset({"devices"}), drawable, draw)
