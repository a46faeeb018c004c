"""Where a line changed: change points, each judged by what the runs before and after it differ by.

In: Lines. Out: Changes. Must not know how they are shown.

Change points are looked for by ruptures' PELT (Killick, Fearnhead and Eckley, Journal of the American Statistical
Association 107, 2012) in the logarithms, over the noise between runs that follow each other. The penalty of a further
one is that of Yao (Statistics and Probability Letters 6, 1988), by half more since the noise is estimated. What it
finds is where a change would be, not whether there is one: so each is judged as a comparison is, with the run as the
level that is repeated, corrected for all places at which one could have been found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from harness.compare.corrected import CHANGED, verdicts
from harness.compare.facts import both_say
from harness.core.stats.intervals import Error, Interval, over_sessions
from harness.history.lines import Entry, Line

# Runs before and after a change, at least: by fewer its size has hardly an interval. So with fewer than twice as many
# nothing is called a change; two more, since one run that was disturbed is none either.
FEWEST_BESIDE, FEWEST_RUNS = 3, 8
# Relative: runs that agree better than that agree by chance.
LEAST_NOISE = 0.002
# Times the logarithm of the number of runs.
PENALTY = 3.0
# Of a normal distribution: standard deviation over the median of absolute differences of two values.
_OVER_MEDIAN = 1.4826 / math.sqrt(2)


@dataclass(frozen=True)
class Change:
    """line: which. before, after: the last run before it, and the first one after. ratio: of speeds, after over before;
    above 1 it became faster. versions: fact, before, after."""

    line: Line
    before: Entry
    after: Entry
    ratio: Interval
    verdict: str
    versions: tuple[tuple[str, str, str], ...]

    @property
    def reason(self) -> str:
        """What was another version, in words."""
        told = [f"{name} {was} -> {now}" for name, was, now in self.versions]
        return "; ".join(told) or "nothing that the runs tell of themselves differs"


def changes_of(lines: Sequence[Line]) -> list[Change]:
    """Of all lines, in their order; none of a line with fewer than FEWEST_RUNS runs."""
    long = [line for line in lines if len(line.entries) >= FEWEST_RUNS]
    places = sum(len(line.entries) - 2 * FEWEST_BESIDE + 1 for line in long)
    candidates = [(line, start, place, end) for line in long for start, place, end in _candidates(line)]
    errors = []
    for line, start, place, end in candidates:
        was, now = line.entries[start:place], line.entries[place:end]
        errors.append(_over_runs(was).over(_over_runs(now)))
    found = verdicts([(error, math.nan) for error in errors], beside=places - len(errors))
    changes = []
    for (line, _, place, _), error, verdict in zip(candidates, errors, found, strict=True):
        if verdict in CHANGED:
            before, after = line.entries[place - 1], line.entries[place]
            versions = tuple(both_say(before.side.facts, after.side.facts))
            changes.append(Change(line, before, after, error.interval(), verdict, versions))
    return changes


def _over_runs(entries: Sequence[Entry]) -> Error:
    return over_sessions([entry.beside for entry in entries])


def _candidates(line: Line) -> list[tuple[int, int, int]]:
    """Where it may have changed: first run of what is before, of what is after, and the end of that."""
    from ruptures import Pelt

    logs = np.log([entry.beside for entry in line.entries])
    noise = max(_OVER_MEDIAN * median(abs(np.diff(logs))), LEAST_NOISE)
    search = Pelt(model="l2", min_size=FEWEST_BESIDE, jump=1).fit((logs / noise)[:, None])
    ends = [0, *search.predict(pen=PENALTY * math.log(len(logs)))]
    return list(zip(ends, ends[1:], ends[2:], strict=False))
