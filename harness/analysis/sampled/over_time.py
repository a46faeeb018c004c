"""What was sampled beside a run, over time, short enough to be drawn.

In: samplings, and what ranks and launcher wrote. Out: utilisation and power of each device in a few hundred steps of
time, and when which cell was measured. Must not know points, torch or how anything is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.collected.spans import Span
from harness.analysis.sampled.samples import Floats, Sampling
from harness.core import axes
from harness.records.kinds import Point

# Steps of time: about as many as a figure has room for lines' bends.
STEPS = 400

# Between a sweep and its resumption a day may pass, of which nothing is known.
_LONGEST_GAP_S = 5.0

_NAMED = tuple(axis for axis in axes.CELL if axis != axes.MODEL)

SAMPLES = ("host", "device", "seconds", "util_pct", "power_w")
SPANS = ("session", "cell", "host", "start", "end")


def _empty(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="float64") for name in columns})


@dataclass(frozen=True)
class Timeline:
    """samples: a row per device and step of time, means within it, NaN where there is none; device: its UUID.
    spans: a row per stretch of time in which one cell was measured; cell: its name in words.
    Seconds since a host's first sample; longer gaps between samplers are cut short.
    """

    samples: pd.DataFrame = field(default_factory=lambda: _empty(SAMPLES))
    spans: pd.DataFrame = field(default_factory=lambda: _empty(SPANS))


def make_timeline(
    samplings: Sequence[Sampling], measured: Sequence[Span], points: Sequence[Point]
) -> Timeline:
    """Empty where no device was sampled."""
    filled = [each for each in samplings if len(each.t_ns) and each.devices]
    if not filled:
        return Timeline()
    tables: list[pd.DataFrame] = []
    spans: list[tuple[Any, ...]] = []
    names = _names(points)
    for host in dict.fromkeys(each.host for each in filled):
        own = [each for each in filled if each.host == host]
        offsets = _offsets(own)
        total = offsets[-1] + _seconds(own[-1])
        for sampling, offset in zip(own, offsets, strict=True):
            tables += _steps(sampling, offset, max(total / STEPS, 2 / sampling.hz))
            first, last = int(sampling.t_ns[0]), int(sampling.t_ns[-1])
            spans += [
                (
                    *(span.session, names.get(span.cell, span.cell), host),
                    *((at - first) / 1e9 + offset for at in (span.start_ns, span.end_ns)),
                )
                for span in measured
                if span.host == host and first <= span.start_ns and span.end_ns <= last
            ]
    return Timeline(
        pd.concat(tables, ignore_index=True) if tables else _empty(SAMPLES),
        pd.DataFrame(spans, columns=list(SPANS)) if spans else _empty(SPANS),
    )


def _seconds(sampling: Sampling) -> float:
    return float(sampling.t_ns[-1] - sampling.t_ns[0]) / 1e9


def _offsets(samplings: Sequence[Sampling]) -> list[float]:
    """Where on the axis each sampler's time begins. A clock that began anew is a gap like any other."""
    found, at = [0.0], 0.0
    for before, after in itertools.pairwise(samplings):
        gap = float(after.t_ns[0] - before.t_ns[-1]) / 1e9
        at += _seconds(before) + (min(gap, _LONGEST_GAP_S) if gap >= 0 else _LONGEST_GAP_S)
        found.append(at)
    return found


def _steps(sampling: Sampling, offset: float, step_s: float) -> Iterator[pd.DataFrame]:
    """Means of the samples in each step of time."""
    seconds = (sampling.t_ns - sampling.t_ns[0]) / 1e9
    steps = (seconds / step_s).astype(np.int64)
    middles = offset + (np.arange(steps[-1] + 1) + 0.5) * step_s
    for column, device in enumerate(sampling.devices):
        util, power = (
            _means(steps, sampling.values[name][:, column], len(middles)) for name in ("util", "power_w")
        )
        if not (np.isnan(util).all() and np.isnan(power).all()):
            columns = (sampling.host, device.uuid or device.pci, middles, util, power)
            yield pd.DataFrame(dict(zip(SAMPLES, columns, strict=True)))


def _means(steps: Any, values: Floats, count: int) -> Floats:
    known = ~np.isnan(values)
    numbers = np.bincount(steps[known], minlength=count)
    sums = np.bincount(steps[known], weights=values[known], minlength=count)
    means: Floats = np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)
    return means


def _names(points: Sequence[Point]) -> dict[str, str]:
    """Cell id -> the values by which the run's cells differ, in words."""
    cells = {point.cell: point.axes.named() for point in points}
    differing = [
        name for name in _NAMED if len({str(values.get(name)) for values in cells.values()}) > 1
    ] or ["depth", "batch"]
    if len({values[axes.MODEL] for values in cells.values() if values["depth"] is None}) > 1:
        differing.insert(0, axes.MODEL)
    return {
        cell: ", ".join(_words(name, values[name]) for name in differing if values.get(name) is not None)
        for cell, values in cells.items()
    }


def _words(name: str, value: Any) -> str:
    if name == "devices":
        return f"{value} device{'' if value == 1 else 's'}"
    return f"{name} {value}" if name in axes.SIZES else str(value)
