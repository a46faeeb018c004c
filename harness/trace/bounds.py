"""What would remove the idle time of a rank's devices: each change as a bound on the host's part of it, by a rule.

In: a Rank. Out: rows of bounds.csv. Must not know files, nor how any of it is shown. docs/trace.md has the rules in
words. All of it is predicted: work is replayed as if the host had been another one, and nothing of it was run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.trace.host import DISPATCH, HOST_PARTS, INTERPRETER, KINDS
from harness.trace.idle import Device
from harness.trace.looked import Rank
from harness.trace.replay import Replay

US = 1000
COLUMNS = (
    *("rank", "device", "change", "span_us", "predicted_us", "times_as_fast", "idle_share_left"),
    *("step_us", "predicted_step_us", "replay_error", "rule", "file"),
)
GRAPHS, COMPILE, PROCESS, FASTER, DEVICE = CHANGES = (
    *("graphs", "compile", "process_per_device", "host_twice_as_fast", "device_only"),
)
RULES = {
    GRAPHS: "no host time and no launch latency before work that is the same in every step",
    COMPILE: "no interpreter and no framework dispatch; the calls of the runtime and all kernels as they are",
    PROCESS: "no host time spent on the other devices of this process",
    FASTER: "interpreter, dispatch, guards and runtime calls take half the time",
    DEVICE: "all work launched beforehand: what is left is the device's own work and its recorded dependencies",
}


@dataclass(frozen=True)
class Bound:
    """How long a device would have taken for the same work, in ns. error: of a replay with nothing changed, a share."""

    device: Device
    change: str
    predicted: int
    error: float

    @property
    def times_as_fast(self) -> float:
        return self.device.span / self.predicted if self.predicted else float("nan")


def bounds(rank: Rank) -> list[Bound]:
    """Each change of each device; those left out that there is nothing to say of."""
    if not rank.whole:
        return []
    replay = Replay(rank.idle, rank.whole)
    same = replay.spans({})
    found: list[Bound] = []
    for device in rank.whole:
        error = abs(same[device.number] - device.span) / device.span
        for change, predicted in _predicted(rank, replay, device):
            found.append(Bound(device, change, predicted, error))
    return found


def rows(rank: Rank, found: list[Bound]) -> Iterator[dict[str, Any]]:
    """Of bounds.csv."""
    for bound in found:
        device, steps = bound.device, len(rank.steps_of(bound.device))
        yield {
            "rank": rank.trace.rank,
            "device": device.number,
            "change": bound.change,
            "span_us": device.span / US,
            "predicted_us": bound.predicted / US,
            "times_as_fast": bound.times_as_fast,
            "idle_share_left": max(0.0, 1 - device.busy.total / bound.predicted),
            "step_us": device.span / US / steps if steps else None,
            "predicted_step_us": bound.predicted / US / steps if steps else None,
            "replay_error": bound.error,
            "rule": RULES[bound.change],
            "file": rank.trace.path.name,
        }


def _predicted(rank: Rank, replay: Replay, device: Device) -> Iterator[tuple[str, int]]:
    repeats = _repeats(rank, replay)
    if repeats.any():
        left: npt.NDArray[np.float64] = 1.0 - repeats.astype(float)
        yield GRAPHS, replay.spans(dict.fromkeys(HOST_PARTS, left), prompt=True)[device.number]
    yield COMPILE, replay.spans({INTERPRETER: 0.0, DISPATCH: 0.0})[device.number]
    if len(rank.whole) > 1:
        own = (rank.trace.work["device"][replay.rows] == device.number).astype(float)
        yield PROCESS, replay.spans(dict.fromkeys(KINDS, own))[device.number]
    yield FASTER, replay.spans(dict.fromkeys(HOST_PARTS, 0.5))[device.number]
    yield DEVICE, replay.spans(dict.fromkeys(KINDS, 0.0), blocks=False, prompt=True)[device.number]


def _repeats(rank: Rank, replay: Replay) -> npt.NDArray[np.bool_]:
    """Of each row of the replay: whether the same work (name, launch dimensions) is launched equally often in every
    step. Nothing is said where fewer than two steps are marked."""
    trace, rows_ = rank.trace, replay.rows
    steps = sorted({trace.steps[number] for number, _ in rank.steps})
    if len(steps) < 2:
        return np.zeros(len(rows_), bool)
    starts = np.array([start for start, _ in steps], np.int64)
    ends = np.array([end for _, end in steps], np.int64)
    launched = rank.idle.launches.start[rows_]
    at = np.searchsorted(starts, launched, side="right") - 1
    step = np.where((at >= 0) & (launched < ends[at]), at, -1).tolist()
    what = list(zip(*(trace.work[name][rows_].tolist() for name in ("device", "name", "shape")), strict=True))
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for place, work in zip(step, what, strict=True):
        counts[work][place] += 1
    regular = {
        work
        for work, of_steps in counts.items()
        if len({of_steps[place] for place in range(len(steps))}) == 1 and of_steps[0]
    }
    return np.array([place >= 0 and work in regular for place, work in zip(step, what, strict=True)], bool)
