"""A row per mode in a panel: its name at the left, and what stands in it or at the end of its bar.

In: a panel and places on it, in inches. Out: texts and lines. Must not know what a bar shows.
"""

from __future__ import annotations

from typing import Any

from harness.report.figures.drawing.panel import Panel

GAP = 0.07  # inches between a text and what it belongs to


def row_name(panel: Panel, y: float, name: str) -> None:
    panel.text(panel.left - GAP, y, name, ha="right", va="center")


def word_in_row(panel: Panel, y: float, word: str) -> None:
    """Why there is no bar."""
    panel.text(panel.left + GAP, y, word, ha="left", va="center", color="#666666", style="italic")


def end_of_bar(
    panel: Panel,
    y: float,
    tip: float,
    interval: tuple[float, float] | None,
    text: str,
    line: dict[str, Any],
    *,
    gap: float = GAP,
    **look: Any,
) -> None:
    """The 95 % interval over the tip of a bar, and a number right of both. interval: None where it is not known;
    line, look: of the interval and of the number."""
    right = tip
    if interval:
        low, right = interval
        panel.segments([[(low, y), (right, y)]], zorder=3, **line)
    panel.text(max(tip, right) + gap, y, text, ha="left", va="center", **look)
