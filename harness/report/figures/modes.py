"""Step time per mode as bars, for sweeps of a single cell.

In: a slice with one depth and one batch. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd

from harness.report.figures.kind import Context, Kind, present, timed, warned
from harness.report.figures.panel import Panel, Scale
from harness.report.figures.sheet import LETTER, Headline, sheet
from harness.report.figures.style import ModeStyle
from harness.report.figures.ticks import TIME_UNITS, linear_ticks, log_ticks, spaced, unit_for
from harness.report.formats import significant
from harness.report.slices import Slice

# Beyond this spread the shortest bar would be too short to read.
LOG_SPREAD = 20.0
HALF_BAR = 0.105  # inches


def drawable(rows: pd.DataFrame) -> bool:
    one_cell = rows["depth"].nunique() == 1 and rows["batch"].nunique() == 1
    return bool(one_cell and timed(rows)["mode"].nunique() >= 2)


def draw(part: Slice, headline: Headline, context: Context) -> tuple[matplotlib.figure.Figure, str]:
    rows = part.rows.drop_duplicates("mode").set_index("mode")
    styles = present(context.styles, part.rows)
    good = timed(part.rows)
    scale, unit = unit_for(good["step_us"].tolist(), TIME_UNITS)
    values = good["step_us"] / scale
    spread = bool(values.max() / values.min() > LOG_SPREAD)
    left = min(max(len(mode) for mode in styles) * LETTER + 0.3, 3.0)
    paper = sheet(headline, 1, (4.6, 0.34 * len(styles) + 0.25), left=left, below=0.5)
    panel = paper.panels[0]
    start = float(values.min()) / 2 if spread else 0.0
    top = float(np.nanmax([values.max(), (good["step_us_high"] / scale).max()]))
    # Room for the numbers at the ends of the bars.
    end = top * (top / start) ** 0.22 if spread else top * 1.25
    panel.x, panel.y = Scale(start, end, logarithmic=spread), Scale(len(styles) - 0.4, -0.6)
    ticks = log_ticks(start, end) if spread else linear_ticks(start, end)
    panel.grid_x(spaced(ticks, panel.across(ticks).tolist()))
    for place, (mode, style) in enumerate(styles.items()):
        _bar(panel, float(panel.up([place])[0]), mode, style, rows.loc[mode], scale, unit)
    paper.name_axes(f"step time ({unit})", "")
    caption = "Time of one step in each mode; shorter is faster. Dark lines: 95 % intervals."
    if spread:
        caption += " The axis is logarithmic, so that lengths of bars do not compare as ratios."
    return paper.figure, caption + warned(part.rows)


def _bar(
    panel: Panel, y: float, mode: str, style: ModeStyle, row: pd.Series, scale: float, unit: str
) -> None:
    """y: middle of the bar, in inches. A mode without a time gets its status instead."""
    panel.text(panel.left - 0.07, y, mode, ha="right", va="center")
    if not (row["ok"] and row["step_us"] > 0):
        status = str(row["status"])
        panel.text(panel.left + 0.07, y, status, ha="left", va="center", color="#666666", style="italic")
        return
    value, low, high = (row[name] / scale for name in ("step_us", "step_us_low", "step_us_high"))
    tip, bottom, top = panel.across([value, max(low, panel.x.low), high]).tolist()
    look: dict[str, Any] = {"facecolor": style.colour, "edgecolor": style.colour, "zorder": 2}
    if row["marked"]:
        look |= {"facecolor": "white", "hatch": "////"}
    panel.rectangle(panel.left, y - HALF_BAR, tip - panel.left, 2 * HALF_BAR, **look)
    known = bottom <= top
    if known:
        panel.segments([[(bottom, y), (top, y)]], colors="#222222", linewidths=1.2, zorder=3)
    text = f"{significant(value)} {unit}" + (" *" if row["marked"] else "")
    panel.text(max(tip, top if known else tip) + 0.07, y, text, ha="left", va="center")


KIND = Kind("modes", "Step time by mode", frozenset(), drawable, draw)
