"""Scales whose numbers are plain, round where they can be, and do not touch each other.

In: a panel and the values on it. Out: its scales, grid and numbers set. Must not know what the values mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from matplotlib.ticker import MaxNLocator

from harness.report.figures.drawing.panel import NUMBERS, Panel, Scale
from harness.report.table.formats import plain

# Width of a digit among the numbers, and the least room between two of them, in inches.
DIGIT = 0.62 * NUMBERS / 72
ROOM = 0.09

TIME_UNITS = ((1.0, "µs"), (1e3, "ms"), (1e6, "s"))
RATE_UNITS = ((1.0, "samples/s"), (1e3, "thousand samples/s"), (1e6, "million samples/s"))


def spaced(values: Sequence[float], places: Iterable[float]) -> list[float]:
    """Those values whose numbers fit side by side; both ends are kept where they fit. places: in inches."""
    spots = sorted(zip(places, values, strict=True))
    if len(spots) < 2:
        return [value for _, value in spots]
    half = {value: len(plain(value)) * DIGIT / 2 for value in values}
    end, last = spots[-1]
    kept = [spots[0]]
    for spot, value in spots[1:]:
        left = kept[-1][0] + half[kept[-1][1]] + ROOM + half[value]
        right = end if value == last else end - half[last] - ROOM - half[value]
        if left <= spot <= right:
            kept.append((spot, value))
    return [value for _, value in kept]


def measured_x(panel: Panel, values: Iterable[float]) -> None:
    """A logarithmic x axis with numbers at the measured values; all must be positive."""
    measured = sorted(set(values))
    margin = (measured[-1] / measured[0]) ** 0.08 if len(measured) > 1 else 1.5
    panel.x = Scale(measured[0] / margin, measured[-1] * margin, logarithmic=True)
    panel.grid_x(spaced(measured, panel.across(measured).tolist()))


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two positive numbers: decades, 1-2-5, or even steps, as the span asks for."""
    decades = math.log10(high / low)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if decades > 2.2:
        step = max(1, math.ceil(decades / 6))
        ticks = [10.0**power for power in range(first, last + 1) if power % step == 0]
        # Of two numbers a reader cannot tell that the scale is logarithmic.
        if sum(low <= tick <= high for tick in ticks) < 3:
            ticks = [base * 10.0**power for power in range(first, last + 1) for base in (1, 3)]
    elif decades > 0.85:
        ticks = [base * 10.0**power for power in range(first, last + 1) for base in (1, 2, 5)]
    else:
        ticks = linear_ticks(low, high)
    return [tick for tick in ticks if low <= tick <= high]


def linear_ticks(low: float, high: float) -> list[float]:
    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def log_y(panel: Panel, low: float, high: float) -> None:
    """A logarithmic y axis from below `low` to above `high`, both positive."""
    # At least a factor of 1.5 in all: an axis that shows a difference of 1 % as a cliff misleads.
    margin = max((high / low) ** 0.08, math.sqrt(1.5 / min(high / low, 1.5)), 1.08)
    panel.y = Scale(low / margin, high * margin, logarithmic=True)
    panel.grid_y(log_ticks(panel.y.low, panel.y.high))


def unit_for(values: Sequence[float], units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """The largest unit that leaves most values at 1 or above. units: (size, name), smallest first."""
    middle = sorted(values)[len(values) // 2] if len(values) else 0
    fitting = [unit for unit in units if middle >= unit[0]]
    return fitting[-1] if fitting else units[0]
