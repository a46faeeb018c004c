"""What a comparison leaves in a folder.

In: Comparisons. Out: files. Must not know how anything was compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.compare.compared import Comparison
from harness.core.files.made import Made

TABLE, DATA, MARKDOWN, PAGE = "compare.csv", "compare.json", "compare.md", "compare.html"
FILES = (TABLE, DATA, MARKDOWN, PAGE)


def figure_names(number: int) -> tuple[str, str]:
    """SVG and PNG of the first, second, ... comparison."""
    stem = "compare" if number == 1 else f"compare-{number}"
    return f"{stem}.svg", f"{stem}.png"


def all_files(comparisons: int) -> list[str]:
    return [*FILES, *(name for number in range(comparisons) for name in figure_names(number + 1))]


def write(found: Sequence[Comparison], folder: Path) -> list[Path]:
    """The tables first: a figure that cannot be drawn costs none of them. Answers all paths. Raises OSError."""
    from harness.compare.shown.data import as_csv, as_json
    from harness.compare.shown.drawing import draw
    from harness.compare.shown.page import render
    from harness.compare.shown.text import as_markdown

    made = Made(folder)
    made.claim(*all_files(len(found)))
    made.write_text(TABLE, as_csv(found))
    made.write_text(DATA, as_json(found))
    made.write_text(MARKDOWN, as_markdown(found))
    figures = []
    for number, each in enumerate(found):
        svg, png = figure_names(number + 1)
        figures.append(draw(each, "svg"))
        made.write(svg, figures[-1])
        made.write(png, draw(each, "png"))
    made.write_text(PAGE, render(found, figures))
    return [folder / name for name in all_files(len(found))]
