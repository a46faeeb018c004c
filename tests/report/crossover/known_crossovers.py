"""Tables with a crossover that is known, made up for tests."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pandas as pd
from synthetic import DISPATCH_US, make_points

from harness.core.stats.intervals import t_quantile

DEPTHS, BATCHES = (4, 16, 64), (1, 16, 256, 4096, 65536)
SESSIONS = 4
# Of a ratio of one cell, as a standard error.
NOISE = 0.01


def crossing(depth: int, threshold: float = 0.1) -> float:
    """Where eager's share against trace falls below a threshold, by synthetic.step_time at width 64."""
    saved = depth * (DISPATCH_US["eager"] - DISPATCH_US["trace"])
    return (saved / threshold - 4.0 - depth * DISPATCH_US["eager"]) / (0.02 * depth)


def table(
    *,
    noise: float = 0.0,
    seed: int = 0,
    depths: Sequence[int] = DEPTHS,
    batches: Sequence[int] = BATCHES,
    intervals: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Shares and speed-ups with errors of `noise` (of the ratio's logarithm), and intervals of it, NOISE at least."""
    chance = random.Random(seed)
    half = t_quantile(SESSIONS - 1) * max(noise, NOISE)

    def change(row: dict[str, Any]) -> dict[str, Any]:
        free = chance.gauss(0, 1) * noise
        ratio = (1 / (1 - row["dispatch_share"])) * math.exp(free) if row["mode"] == "eager" else 1.0
        gain = row["speedup_vs_eager"] * (1.0 if row["mode"] == "eager" else math.exp(free))
        found = {"dispatch_share": 1 - 1 / ratio, "speedup_vs_eager": gain, "sessions": SESSIONS}
        if not intervals:
            return {**found, "sessions": 1, "speedup_low": math.nan, "speedup_high": math.nan}
        return {
            **found,
            "dispatch_share_low": 1 - math.exp(half) / ratio,
            "dispatch_share_high": 1 - math.exp(-half) / ratio,
            "speedup_low": gain * math.exp(-half),
            "speedup_high": gain * math.exp(half),
            "null_ratio": 1.0,
            "null_low": 0.999,
            "null_high": 1.001,
        }

    return make_points(depths=depths, batches=batches, change=change, **options)
