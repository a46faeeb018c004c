"""A panel of curves over the number of devices: what several kinds of figure look like.

In: rows of one panel with a column y, the scale that panels share. Out: the panel drawn. Must not know what y is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from harness.report.figures.drawing.panel import Panel
from harness.report.figures.drawing.series import draw_modes
from harness.report.figures.drawing.style import ModeStyle
from harness.report.figures.drawing.ticks import log_y, measured_x
from harness.report.figures.kind import DOTTED

# The ends of a line, along x and along y, and its colour.
Ideal = tuple[tuple[Sequence[float], Sequence[float]], str]


def draw_over_devices(
    panel: Panel,
    rows: pd.DataFrame,
    styles: Mapping[str, ModeStyle],
    *,
    devices: Iterable[float],
    reach: tuple[float, float],
    ideals: Iterable[Ideal] = (),
    by: str = "mode",
) -> None:
    """Both axes logarithmic. devices, reach: the numbers of devices of all panels, and the ends of y; ideals: dotted
    lines beneath the curves; by: the column with a curve for each of its values."""
    measured_x(panel, devices)
    log_y(panel, *reach)
    for ends, colour in ideals:
        panel.line(*ends, color=colour, **DOTTED)
    draw_modes(panel, rows, styles, x="devices", interval=None, by=by)
