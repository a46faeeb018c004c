"""How the figures look: theme, and one colour and marker per mode.

In: names of modes. Out: matplotlib settings and styles. Must not know the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import seaborn as sns

from harness.core.axes import DEFAULTS, ENVIRONMENT
from harness.report.table.tidy import MODE_ORDER, controller_rank, mode_rank

INK, FAINT, ALARM = "#222222", "#8a8a8a", "#b00020"
GRID, FRAME = "#e6e6e6", "#bbbbbb"
# Letters and shades upon coloured cells, of colours that nothing else has: a page exchanges paper and ink in the dark
# (harness.report.shown.image), and cells stay as they are.
ON_DARK, ON_LIGHT = "#fefefe", "#111111"
FONT = 8.5

# seaborn's colour-blind-safe palette in an order in which neighbours differ in lightness too; its yellow
# comes last, since it is hardest to see on white.
_PALETTE = [sns.color_palette("colorblind").as_hex()[index] for index in (0, 1, 2, 4, 3, 9, 5, 6, 7, 8)]
_MARKERS = "os^Dv<>phX"
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))


@dataclass(frozen=True)
class ModeStyle:
    """What tells a mode from the others, in every figure of a report. size: of marker and line, beside the
    usual one."""

    colour: str
    marker: str
    dash: Any
    size: float = 1.0


def mode_styles(modes: Iterable[str]) -> dict[str, ModeStyle]:
    """Known modes look the same in every report; unknown ones take what is left, in order of name."""
    names = sorted(set(modes), key=mode_rank)
    unknown = [name for name in names if name not in MODE_ORDER]
    places = {name: index for index, name in enumerate(MODE_ORDER)}
    taken = {places[name] for name in names if name in places}
    free = [place for place in range(len(_PALETTE) * len(_DASHES)) if place not in taken]
    # Unknown modes first take the places that no known mode owns, so that a colour seldom changes hands.
    free.sort(key=lambda place: (place >= len(_PALETTE), place < len(MODE_ORDER), place))
    places |= dict(zip(unknown, free, strict=False))
    count = len(_PALETTE)
    return {
        name: ModeStyle(
            _PALETTE[places.get(name, 0) % count],
            _MARKERS[places.get(name, 0) % count],
            _DASHES[places.get(name, 0) // count % len(_DASHES)],
        )
        for name in names
    }


def environment_colours(environments: Iterable[str]) -> dict[str, str]:
    """The harness's own first, the others by name; beyond ten they repeat."""
    own = DEFAULTS[ENVIRONMENT]
    names = sorted(set(environments), key=lambda name: (name != own, name))
    return {name: _PALETTE[place % len(_PALETTE)] for place, name in enumerate(names)}


# Thick below thin: controllers often do equally well, and a curve must show from under another. Dark colours
# of no mode, since panels show those.
_CONTROLLERS = {
    "processes": ModeStyle("#222222", "o", "-", 1.6),
    "threads": ModeStyle("#a866c9", "s", "-", 1.1),
    "loop": ModeStyle("#d7301f", "^", "-", 0.75),
}


def controller_styles(controllers: Iterable[str]) -> dict[str, ModeStyle]:
    """In the controllers' order."""
    other = ModeStyle("#2c7fb8", "D", "-", 0.6)
    return {name: _CONTROLLERS.get(name, other) for name in sorted(set(controllers), key=controller_rank)}


def theme() -> Any:
    """Settings for matplotlib.rc_context; whatever the user has set for his own plots must not leak in."""
    return {
        **sns.axes_style("ticks"),
        "font.family": ["DejaVu Sans"],
        "font.size": FONT,
        "hatch.linewidth": 0.5,
        "legend.frameon": False,
        "legend.fontsize": FONT,
        "text.color": INK,
        # A device may call itself `$x$`: that is its name and no formula.
        "text.parse_math": False,
        "text.usetex": False,
        # Letters as shapes: the figure looks the same where the font is missing.
        "svg.fonttype": "path",
        # The same data gives the same file.
        "svg.hashsalt": "harness",
        "savefig.facecolor": "white",
        "figure.facecolor": "white",
    }
