"""A drawn figure to SVG and PNG.

In: a matplotlib figure and a path without suffix. Out: two files. Must not know what is on the figure.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from harness.report import files

PIXELS_PER_INCH = 120


def save(figure: matplotlib.figure.Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.svg and `name`.png; no date inside, so that the same data gives the same bytes."""
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
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
    files.write_text(svg, text.getvalue())
    files.write_bytes(png, pixels.getvalue())
    return svg, png
