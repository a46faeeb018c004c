"""How often the sessions of a plan are repeated, and in which order.

In: what is left of a plan, and the Site to run it on. Out: records of every point. Must not know how a session is run,
nor how its figures come about.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from harness.analysis.run import load_run
from harness.core import warnings
from harness.core.schema import REFERENCE_MODE, ends
from harness.core.stats.intervals import width_factor
from harness.plan.config import TimingConfig
from harness.plan.points import Cell, Plan, Session
from harness.sweep.display import Display
from harness.sweep.sessions import Site, measure_once
from harness.sweep.tally import Tally

# Looks at the intervals, each followed by further sessions where they are wide. Few, and fixed beforehand: stopping as
# soon as an interval happens to be narrow makes intervals too narrow, the more so the more often one looks.
LOOKS = 2


def measure(site: Site, plan: Plan, tally: Tally, display: Display) -> None:
    """Run every session as often as it takes.

    Sessions that repeat each other lie apart in time, with the plan's other sessions between them: a machine that is
    slow for some minutes is so in one of them, which the interval then knows of.
    """
    timing = site.config.timing
    for number in range(1, timing.sessions + 1):
        _repeat(site, plan.sessions, number, tally, display)
    for numbers in further(timing):
        wide = _wide(plan, load_run(site.run.path).points, timing)
        if not wide:
            return
        display.further(sum(len(session.cells) for session in wide), numbers[-1])
        for number in numbers:
            _repeat(site, wide, number, tally, display)


def further(timing: TimingConfig) -> Iterator[range]:
    """Numbers of the sessions that follow each look."""
    step = math.ceil((timing.max_sessions - timing.sessions) / LOOKS)
    for first in range(timing.sessions + 1, timing.max_sessions + 1, max(step, 1)):
        yield range(first, min(first + step, timing.max_sessions + 1))


def _repeat(site: Site, sessions: Sequence[Session], number: int, tally: Tally, display: Display) -> None:
    for session in sessions:
        left = tally.left(session, number)
        if left is not None:
            # A steady state is the same in every session: one of them holds each point for samplers.
            measure_once(site, left, tally, display, held=number == 1)


def _wide(plan: Plan, points: pd.DataFrame, timing: TimingConfig) -> list[Session]:
    """The cells with a point whose interval is wider than asked for, and would not be after all sessions that there may
    be: where it would be too wide even then, they would be lost on it."""
    wide = set(points.loc[[warnings.carries(text, *warnings.WIDE) for text in points["warnings"]], "key"])
    wide -= _hopeless(points, timing)
    kept = [
        replace(session, cells=tuple(cell for cell in session.cells if _any(cell, wide)))
        for session in plan.sessions
    ]
    return [session for session in kept if session.cells]


def _hopeless(points: pd.DataFrame, timing: TimingConfig) -> set[str]:
    """Keys of points whose interval, of the same spread, would be wider than asked for after all sessions too."""
    keys: set[str] = set()
    for row in points[points["sessions"] >= 2].to_dict("records"):
        figure, target = "speedup_vs_eager", timing.rel_width
        if row["speedup_vs_here"] > 0:
            figure = "speedup_vs_here"
        elif row["mode"] == REFERENCE_MODE or not row[figure] > 0:
            figure, target = "step_us", timing.rel_width_step
        low, high = (row[end] for end in ends(figure))
        narrowed = width_factor(timing.max_sessions) / width_factor(int(row["sessions"]))
        if narrowed * (high - low) / 2 / row[figure] > target:
            keys.add(row["key"])
    return keys


def _any(cell: Cell, keys: set[str]) -> bool:
    return any(point.key in keys for point in cell.points)
