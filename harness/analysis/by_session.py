"""What each session found of a point, and what they say together.

In: the rounds of a point in several sessions. Out: a value per session and quantity, and their intervals. Must not know
other points, but for the reference mode's rounds that theirs are paired with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.analysis.collected.rounds import Series, median
from harness.analysis.planned import Planned
from harness.core.stats.intervals import Error, Interval, over_sessions
from harness.core.stats.spread import NOTHING_KNOWN, Earlier

# Quantities, each a median over the rounds of a session. Times are microseconds.
STEP, ISSUE, DEVICE, THROUGHPUT = "step_us", "issue_us", "device_us", "throughput_samples_s"
# Ratios that are paired within rounds: to the reference mode of the same environment, to the same mode of the harness's
# own environment, and of the reference mode's second build to its first.
SPEEDUP, VS_HERE, NULL = "speedup_vs_eager", "speedup_vs_here", "null_ratio"
RATIOS = (SPEEDUP, VS_HERE, NULL)
# What a host that is slower as a whole for some minutes changes.
OF_THE_HOST = (STEP, ISSUE, THROUGHPUT)
QUANTITIES = (STEP, ISSUE, DEVICE, THROUGHPUT, *RATIOS)


@dataclass(frozen=True)
class Part:
    """The rounds of a point in one session, those of the reference mode beside it, of the null, and of the same mode
    under `here`; None where there are none."""

    session: str
    own: Series
    reference: Series | None
    null: Series | None
    here: Series | None = None


@dataclass(frozen=True)
class BySession:
    """values: quantity -> session -> value; a session that has none is left out. within: quantity ->
    standard error of the logarithm of its value, of what was measured in one session, as its rounds show it."""

    values: Mapping[str, Mapping[str, float]]
    earlier: Earlier = NOTHING_KNOWN
    within: Mapping[str, float] = field(default_factory=dict)

    def error(self, quantity: str) -> Error | None:
        """What the sessions say together, to be compared with what was measured in the same sweep; None where none has
        a value."""
        return self._together(list(self.values[quantity].values()), quantity)

    def error_beside_sweeps(self, quantity: str) -> Error | None:
        """To be compared with other sweeps: that of a time holds how they drift, as far as it is known."""
        error, drift = self.error(quantity), self.earlier.drift
        if error is not None and error.dof > 0 and drift is not None and quantity in OF_THE_HOST:
            return error.further(drift.sd, drift.dof)
        return error

    def interval(self, quantity: str) -> Interval | None:
        """Of error_beside_sweeps."""
        error = self.error_beside_sweeps(quantity)
        return error.interval() if error is not None else None

    def share(self, quantity: str, of: BySession, whole: str) -> Error | None:
        """A quantity over one of the same or another point, paired in the sessions that have both."""
        ours, theirs = self.values[quantity], of.values[whole]
        return self._together([ours[name] / theirs[name] for name in ours if name in theirs], SPEEDUP)

    @property
    def borrowed(self) -> bool:
        """Whether its intervals come from the spread that earlier sweeps had."""
        return self.earlier.spreads is not None and len(self.values[STEP]) == 1

    def _together(self, values: Sequence[float], quantity: str) -> Error | None:
        if not values:
            return None
        error = over_sessions(values)
        spreads = self.earlier.spreads
        if error.dof or spreads is None:
            return error
        between = spreads.ratio if quantity in RATIOS else spreads.time
        return between.error(error.estimate, self.within.get(quantity, 0.0))


def by_session(parts: Sequence[Part], planned: Planned, earlier: Earlier) -> BySession:
    """earlier: with spreads only where one session is to take them for its own."""
    series = {part.session: _quantities(part, planned) for part in parts}
    values = {
        quantity: {
            session: value
            for session, of_session in series.items()
            if (value := median(of_session[quantity])) > 0 and math.isfinite(value)
        }
        for quantity in QUANTITIES
    }
    if len(parts) > 1 or earlier.spreads is None:
        return BySession(values, earlier)
    (only,) = series.values()
    return BySession(values, earlier, {name: _standard_error(only[name]) for name in QUANTITIES})


def _quantities(part: Part, planned: Planned) -> dict[str, np.ndarray]:
    """Quantity -> one value a round; NaN where a round has none."""
    own = part.own
    seconds = (own["end_ns"] - own["start_ns"]) / 1e9
    # The slowest device's; where ranks wait for each other within a step, that of the one that came
    # last and so waited least: the others' time contains waiting for it.
    device_ns = own["device_min_ns" if planned.axes["workload"] == "train" else "device_max_ns"]
    return {
        STEP: own["slowest_ns"] / 1e3,
        ISSUE: own["issue_ns"] / 1e3,
        DEVICE: device_ns / 1e3,
        # As a float: batch, devices and steps within their ranges have products beyond 64 bits.
        THROUGHPUT: float(planned.samples_a_step) * own["steps"] / seconds,
        SPEEDUP: _paired(part.reference, own),
        VS_HERE: _paired(part.here, own),
        NULL: _paired(own, part.null),
    }


def _paired(dividend: Series | None, divisor: Series | None) -> np.ndarray:
    """Ratios of step times in the rounds that both have."""
    if dividend is None or divisor is None:
        return np.empty(0)
    _, ours, theirs = np.intersect1d(dividend["round"], divisor["round"], return_indices=True)
    return np.asarray(dividend["slowest_ns"][ours] / divisor["slowest_ns"][theirs])


def _standard_error(rounds: np.ndarray) -> float:
    """Of the logarithm of their median, as that of normal values: 1.25 times the mean's."""
    there = rounds[np.isfinite(rounds) & (rounds > 0)]
    if len(there) < 2:
        return 0.0
    return float(1.25 * np.log(there).std(ddof=1) / math.sqrt(len(there)))
