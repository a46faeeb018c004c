"""An SVG as an image of a page: light or dark as the page is.

In: SVG as matplotlib writes it, drawn for white paper. Out: the address of an image that holds it. Must not know what
is drawn. Files for papers stay as they are.

An image has the colour scheme of the page around it, so that what the reader switches holds for figures too; where a
browser does not pass it on, the system's scheme decides, and the figure brings its own paper. A colour is exchanged by
what it says: paper, ink, lines of a grid. What encodes data is the same in both.
"""

from __future__ import annotations

import base64

# Of light colours what stands for them in the dark.
EXCHANGED = {
    # Paper, and what is made to look like it: hollow marks, lines between the cells of a map.
    "#ffffff": "#16181b",
    # Ink: of the report's figures, of intervals over bars, of matplotlib's own axes.
    **dict.fromkeys(("#222222", "#262626", "#000000"), "#e8e8e8"),
    **dict.fromkeys(("#555555", "#666666"), "#b0b0b0"),
    # Grids, frames, and what is shaded to stand back.
    **dict.fromkeys(("#e6e6e6", "#d8d8d8", "#dddddd", "#cccccc"), "#3a3d42"),
    "#bbbbbb": "#6a6f76",
    "#ececec": "#2b2e33",
    "#d3dcea": "#34415c",
    "#eef2f7": "#1d2128",
    "#e0e7f0": "#272c35",
    # Too dark to be told from dark paper: alarms, and the device's part of a step.
    "#b00020": "#ff6b7f",
    "#4c566a": "#8792a8",
}
# The same colour as a line is ink, as a letter it stands on a light cell of a map and stays.
LINES_ONLY = {"#111111": "#e8e8e8"}


def _rules() -> str:
    made = [
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for what in ("fill", "stroke")
        for light, dark in EXCHANGED.items()
    ]
    made += [f'[style*="stroke: {light}"]{{stroke:{dark}!important}}' for light, dark in LINES_ONLY.items()]
    # The ground of a hatch.
    made += [f'[fill="{light}"]{{fill:{dark}}}' for light, dark in EXCHANGED.items()]
    return f"<style>@media (prefers-color-scheme: dark){{{''.join(made)}}}</style>"


_END = "</svg>"
_RULES = _rules()


def both_schemes(svg: str) -> str:
    """The same drawing with rules for the dark at its end."""
    head, end, rest = svg.rpartition(_END)
    return f"{head}{_RULES}{end}{rest}" if end else svg


def inline(svg: bytes) -> str:
    """The address of an image, which asks for nothing."""
    text = both_schemes(svg.decode("utf-8", errors="replace"))
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")
