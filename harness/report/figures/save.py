"""A drawn figure to SVG and PNG.

In: a matplotlib figure and a name without suffix, which is ours to take. Out: two files. Must not know what is on
it.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from harness.core.files import beneath
from harness.report.result import FIGURES

PIXELS_PER_INCH = 120


def files_of(name: str) -> tuple[str, str]:
    """The two files of a figure, as they lie in a report's folder."""
    return f"{FIGURES}{name}.svg", f"{FIGURES}{name}.png"


def save(figure: matplotlib.figure.Figure, root: Path, name: str) -> tuple[Path, Path]:
    """Write figures/`name`.svg and .png below `root`; no date inside, so that the same data gives the same bytes."""
    svg, png = files_of(name)
    text = io.StringIO()
    pixels = io.BytesIO()
    with warnings.catch_warnings():
        # A device may call itself in letters that the font lacks: a box stands for them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        svg_canvas: Any = FigureCanvasSVG(figure)
        svg_canvas.print_svg(text, metadata={"Date": None})
        figure.set_dpi(PIXELS_PER_INCH)
        png_canvas: Any = FigureCanvasAgg(figure)
        png_canvas.print_png(pixels, pil_kwargs={"compress_level": 2})
    beneath.replace(root, svg, text.getvalue().encode("utf-8", errors="replace"))
    beneath.replace(root, png, pixels.getvalue())
    return root / svg, root / png
