"""What the benchmarks share: steps to time, a table on the terminal, a CSV beside it.

Benchmarks check the harness, not the machine: they print ratios of things measured in one run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.devices.opening import open_device
from harness.modes import get_mode
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Point
from harness.workloads.workload import WORKLOADS, Step, Workload

OUT = Path("results") / "benchmarks"

# Of the mode `spinning`; here, since importing that one registers it.
PASSES = "HARNESS_BENCHMARK_PASSES"


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser with --out."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--out", type=Path, default=OUT, help=f"folder for the CSV (default {OUT})")
    return made


def points(depth: Sequence[int], batch: Sequence[int], mode: Sequence[str]) -> tuple[Point, ...]:
    """Points of a forward sweep over layers 64 wide, on one CPU rank."""
    config = Config(depth=list(depth), width=[64], batch=list(batch), devices=[1], mode=list(mode))
    return make_plan(config, Inventory("cpu", 1, "", 1)).points


def prepared_step(point: Point) -> tuple[Workload, Step]:
    """A point's step, built as the harness builds it; call it under the workload's context()."""
    workload = WORKLOADS[point.workload](point, open_device("cpu", 0), shard=0, seed=0)
    with workload.context():
        return workload, workload.built(get_mode(point.mode))


def save(rows: list[dict[str, Any]], out: Path, name: str) -> pd.DataFrame:
    """Write rows as OUT/name.csv and print them."""
    out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    print(f"\n{out / f'{name}.csv'}")
    return table


def verdict(name: str, value: float, limit: float, unit: str = "", *, least: bool = False) -> bool:
    """Print a figure beside what it shall meet; answers whether it does."""
    met = value >= limit if least else value <= limit
    word = "at least" if least else "at most"
    print(f"{'met   ' if met else 'MISSED'} {name}: {value:.4g}{unit} ({word} {limit:g}{unit})")
    return met
