"""The benchmark on halves of a map says what it found, and fails where halves disagree."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import crossover_half
from harness.crossover.values import SHARE, Cell, Grid


def grid(values: Any) -> Grid:
    """log ratios that a function of depth and batch gives."""
    of = {"device_kind": "cpu", "devices": 1, "workload": "forward", "width": 64}
    cells = [
        Cell(depth, 4**power, values(depth, 4**power), 0.005, 5.0, True)
        for depth in (2, 8, 32)
        for power in range(8)
    ]
    return Grid(SHARE, of, tuple(cells))


def test_halves_of_a_smooth_map_agree() -> None:
    found = list(crossover_half._compared(grid(lambda d, b: 60 / (60 + b)), 20, 0.1, random.Random(0)))
    row = crossover_half._row("run", grid(lambda d, b: 60 / (60 + b)), found)
    assert row["within_a_step"] > 0.95
    assert row["crossings"] > 10


def test_halves_of_a_map_of_noise_do_not() -> None:
    chance = random.Random(1)
    noise = grid(lambda d, b: abs(chance.gauss(0.1, 0.2)))
    sure = replace(noise, cells=tuple(replace(cell, sd=1e-3) for cell in noise.cells))
    found = list(crossover_half._compared(sure, 20, 0.1, random.Random(0)))
    assert crossover_half._row("run", sure, found)["within_a_step"] < 0.9


def test_the_step_of_a_grid_is_that_of_its_batches() -> None:
    assert crossover_half._step(grid(lambda d, b: 1.0)) == pytest.approx(4.0)
