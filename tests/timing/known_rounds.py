"""Rounds whose times are known."""

from __future__ import annotations

from harness.timing.step_times import Rounds


def rounds_of(**series: list[float]) -> Rounds:
    rounds = Rounds("eager")
    for values in zip(*series.values(), strict=True):
        rounds.add(dict(zip(series, values, strict=True)), 0.01)
    return rounds
