"""Utilisation and power over time, a line per device, with the cells marked.

In: what was sampled beside one run, shortened. Out: figure and caption. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.lines import Line2D

from harness.analysis.sampled.over_time import Timeline
from harness.report.figures.drawing.panel import Panel, Scale
from harness.report.figures.drawing.sheet import LETTER, Headline, Sheet, sheet
from harness.report.figures.drawing.style import FAINT
from harness.report.figures.drawing.ticks import linear_ticks, spaced
from harness.report.table.formats import count, listed

KIND = "timeline"
MOST_LINES = 8
# More stretches than that are shaded by session: as stripes they could not be told apart.
MOST_SPANS = 60
# A time without samples this long is a hole in the line.
HOLE_S, HOLE_STEPS = 2.0, 5

_TOP = {"util_pct": "utilisation (%)", "power_w": "power of a device (W)"}


def drawable(timeline: Timeline) -> bool:
    return len(timeline.samples) >= 2


def headline(points: pd.DataFrame, run: str) -> Headline:
    """points: those of the run; run: its label, empty where there is one run only."""
    devices = listed(f"{name or 'unnamed device'}" for name in dict.fromkeys(points["device_name"]))
    title = f"Utilisation and power over time{f': run {run}' if run else ''}"
    return Headline(title, f"{devices}; the shaded stretches are named below", bool(points["emulated"].all()))


def draw(timeline: Timeline, headline: Headline) -> tuple[matplotlib.figure.Figure, str]:
    samples = timeline.samples
    pairs = list(samples[["host", "device"]].drop_duplicates().itertuples(index=False, name=None))
    shown = pairs[:MOST_LINES]
    colours = dict(zip(shown, sns.color_palette("colorblind", MOST_LINES).as_hex(), strict=False))
    handles: list[Any] = [
        Line2D([], [], color=colour, linewidth=1.6, label=name)
        for name, colour in zip(_names(shown), colours.values(), strict=True)
    ]
    names = [name for name in _TOP if samples[name].notna().any()]
    paper = sheet(headline, len(names), (6.6, 1.55), columns=1, handles=handles, gaps=(0.2, 0.3))
    end = float(samples["seconds"].max())
    for name, panel in zip(names, paper.panels, strict=True):
        high = 104.0 if name == "util_pct" else float(samples[name].max()) * 1.08
        panel.x, panel.y = Scale(0.0, end), Scale(-4.0 if name == "util_pct" else 0.0, max(high, 1e-9))
        panel.grid_y(linear_ticks(0.0, panel.y.high))
        panel.name_y(_TOP[name])
    # The first host's cells alone: with a clock each, hosts do not share an axis to better than their start.
    spans = timeline.spans[timeline.spans["host"] == pairs[0][0]]
    numbered = _mark(paper, spans)
    for name, panel in zip(names, paper.panels, strict=True):
        ticks = linear_ticks(0.0, end)
        panel.grid_x(spaced(ticks, panel.across(ticks).tolist()))
        for pair, colour in colours.items():
            own = samples[(samples["host"] == pair[0]) & (samples["device"] == pair[1])]
            _line(panel, own, name, colour)
    paper.panels[-1].name_x("seconds since the first sample")
    caption = (
        f"What was sampled beside the run, {count(len(pairs), 'device')}; each bend of a line is the mean of "
        f"{_step(samples)}. Shaded: {numbered}. Between sweeps that were started again on the same directory, time is "
        "cut short."
    )
    if len(pairs) > len(shown):
        caption += f" Drawn: the first {len(shown)} devices."
    return paper.figure, caption


def _names(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A few letters of each UUID: its first ones, unless its last ones are what tells it from the others."""
    starts, ends = [device[:12] for _, device in pairs], [device[-12:] for _, device in pairs]
    short = starts if len(set(starts)) == len(pairs) else ends
    several = len({host for host, _ in pairs}) > 1
    return [f"{host}: {name}" if several else name for (host, _), name in zip(pairs, short, strict=True)]


def _step(samples: pd.DataFrame) -> str:
    first = samples[samples["device"] == samples["device"].iloc[0]]["seconds"].to_numpy()
    step = float(np.median(np.diff(first))) if len(first) > 1 else 0.0
    return f"{step:.2g} s" if step < 10 else f"{step:.0f} s"


def _line(panel: Panel, own: pd.DataFrame, name: str, colour: str) -> None:
    known = own[own[name].notna()]
    seconds, values = known["seconds"].to_numpy(), known[name].to_numpy()
    if not len(seconds):
        return
    apart = np.diff(seconds)
    longest = max(HOLE_S, HOLE_STEPS * float(np.median(apart))) if len(apart) else HOLE_S
    holes = np.flatnonzero(apart > longest) + 1
    panel.line(
        np.insert(seconds, holes, np.nan),
        np.insert(values, holes, np.nan),
        color=colour,
        linewidth=1.1,
        linestyle="-",
        zorder=3,
    )


def _mark(paper: Sheet, spans: pd.DataFrame) -> str:
    """Shade every other stretch, number those that have room for it, and answer what is shaded."""
    by = "cell" if len(spans) <= MOST_SPANS else "session"
    stretches: list[tuple[str, float, float]] = []
    for label, start, end in spans.sort_values("start")[[by, "start", "end"]].itertuples(
        index=False, name=None
    ):
        if stretches and stretches[-1][0] == label:
            stretches[-1] = (label, stretches[-1][1], end)
        else:
            stretches.append((label, start, end))
    numbers = {
        label: str(place + 1) for place, label in enumerate(dict.fromkeys(part[0] for part in stretches))
    }
    drawn = False
    for at, panel in enumerate(paper.panels):
        for place, (label, start, end) in enumerate(stretches):
            left, right = panel.across([start, min(end, panel.x.high)]).tolist()
            shade = "#eef2f7" if place % 2 else "#e0e7f0"
            panel.rectangle(
                *(left, panel.bottom, right - left, panel.height),
                facecolor=shade,
                edgecolor="none",
                zorder=0.3,
            )
            if not at and right - left > len(numbers[label]) * LETTER + 0.04:
                top = panel.bottom + panel.height + 0.04
                panel.text((left + right) / 2, top, numbers[label], ha="center", va="bottom", color=FAINT)
                drawn = True
    what = "cells" if by == "cell" else "sessions"
    if not stretches:
        return "nothing, since no cell was measured while samples were taken"
    if not drawn or len(numbers) > 16:
        return f"the time of each of {count(len(numbers), what[:-1])}, light and dark in turn"
    named = "; ".join(f"{number} {label}" for label, number in numbers.items())
    return f"the time of each of the {what}, light and dark in turn ({named})"
